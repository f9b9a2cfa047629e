# SPDX-License-Identifier: Apache-2.0
"""Times are learned from the steps that were done before, for each system on its own."""

import time
from collections.abc import Sequence

import pytest

from services.common.contracts.flow import FLOWS
from services.common.store.database import Database
from services.common.store.durations import ENOUGH, LEAST_SILENCE_S, Durations
from services.common.store.models import JobStep
from tests.contract.store.test_journal import new_vm

INSTALL, BOOT, DEPLOY = (FLOWS["vm.create"].step(name) for name in ("install", "boot", "deploy"))


def done(database: Database, step: str, os: str, seconds: Sequence[float]) -> None:
    """Steps of this name that took so long."""
    now = time.time()
    for n, took in enumerate(seconds):
        _, job = new_vm(database, f"vm-{step}-{os}-{n}")
        with database.write() as session:
            row = JobStep(job_id=job, name=step, state="done", os=os, begun_at=now - took, finished_at=now)
            session.add(row)


@pytest.mark.parametrize(
    ("took", "expected"),
    [
        ((), 1800.0),
        ((400.0,) * (ENOUGH - 1), 1800.0),
        ((400.0,) * ENOUGH, 800.0),
        ((100.0, 400.0, 300.0, 200.0, 500.0), 1000.0),
        ((3.0,) * ENOUGH, LEAST_SILENCE_S),
        ((6000.0,) * ENOUGH, INSTALL.deadline_s),
    ],
    ids=["nothing known", "too little known", "alike", "the longest counts", "never too short", "never too long"],
)
def test_a_guest_may_be_silent_twice_as_long_as_its_step_ever_took(
    database: Database, took: Sequence[float], expected: float
) -> None:
    done(database, "install", "mini", took)
    done(database, "install", "other", (7000.0,) * ENOUGH)
    with database.read() as session:
        assert Durations().silence_s(session, INSTALL, "mini") == pytest.approx(expected)


def test_a_wait_for_a_guest_begins_with_its_allowance_for_silence(database: Database) -> None:
    done(database, "boot", "mini", (200.0,) * ENOUGH)
    with database.read() as session:
        assert Durations().deadline_s(session, BOOT, "mini") == pytest.approx(400.0)
        assert Durations().deadline_s(session, BOOT, "never-booted") == BOOT.deadline_s


def test_other_steps_get_five_times_their_longest_run_and_half_the_table_s_at_least(database: Database) -> None:
    done(database, "deploy", "mini", (1.0, 2.0, 50.0, 2.0, 1.0))
    with database.read() as session:
        assert Durations().deadline_s(session, DEPLOY, "mini") == pytest.approx(250.0)
        assert Durations().expected_s(session, "deploy", "mini") == pytest.approx(2.0)
