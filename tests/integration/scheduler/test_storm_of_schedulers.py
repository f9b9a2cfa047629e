# SPDX-License-Identifier: Apache-2.0
"""Many schedulers want the same jobs at once and are killed the hard way in between: the books balance all the same."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.common.store.database import Database
from services.common.store.hosts import Claim, Host
from services.common.store.jobs import Job, JobEvent
from tests.integration.scheduler.test_placing_together import Service
from tests.support.inn import Inn
from tests.support.waiting import until

HOSTS, ROOM, JOBS = 6, 8, 60  # 48 vms fit
# What a scheduler needs is imported once; each is then a process of its own, forked from there. It rings for random
# jobs, over and over, until none is left to be placed. "inside": killed with claims not committed. The last one, which
# nobody kills, takes up what the dead left, once their leases are over. Told at the end: how each ended.
SCHEDULERS = """
import importlib, json, os, random, signal, sys
from sqlalchemy import select
from services.common.runtime import failpoints
from services.common.store.database import Database
from services.common.store.jobs import Job
from services.common.store.group_commit import GroupJournal
from tests.integration.scheduler.test_placing_together import Service

def storm(url, seed, killed):
    os.environ["INNKEEPER_FAILPOINT"] = killed
    importlib.reload(failpoints)  # which reads it once
    service, rng = Service(Database(url), lease_s=1.5), random.Random(seed)
    if killed == "inside":
        end = GroupJournal.end
        GroupJournal.end = lambda *given: (end(*given), os.kill(os.getpid(), signal.SIGKILL))
    while True:
        with service.database.read() as session:
            jobs = list(session.scalars(select(Job.id).where(Job.step == "place")))
        if not jobs:
            return
        service.place([rng.choice(jobs) for _ in range(rng.randint(1, 30))])

def forked(url, seed, killed):
    child = os.fork()
    if child == 0:
        try:
            storm(url, seed, killed)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return child

url, *moments = sys.argv[1:]
children = [forked(url, n, moment) for n, moment in enumerate(moments)]
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
last = os.waitstatus_to_exitcode(os.waitpid(forked(url, 99, ""), 0)[1])
print(json.dumps({"codes": codes, "last": last}))
"""
MOMENTS = ("", "inside", "scheduler.after-claim", "scheduler.place.before-commit:2", "scheduler.place.after-commit")


def stormed(url: str, moments: Sequence[str], log: Path) -> dict[str, Any]:
    """How schedulers ended that were killed at these moments ("": never), and how the last one did."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    words = [sys.executable, "-c", SCHEDULERS, url, *moments]
    with log.open("wb") as out:
        nursery = subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=out, text=True, start_new_session=True
        )
    try:
        told = nursery.communicate(timeout=300)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(nursery.pid, signal.SIGKILL)
    assert nursery.returncode == 0, log.read_text()
    found: dict[str, Any] = json.loads(told)
    return found


def balanced(inn: Inn) -> bool:
    """Whether every host's count is exactly what its claims hold."""
    claimed = inn.claimed()
    return all(used == claimed.get(host, (0, 0, 0)) for host, used in inn.used().items())


@pytest.mark.parametrize("schedulers", [2, 16])
def test_killed_and_competing_schedulers_overcommit_nothing_and_place_each_vm_once(
    database: Database, tmp_path: Path, schedulers: int
) -> None:
    service = Service(database)
    inn = service.inn
    for n in range(HOSTS):
        inn.add_host(f"h{n}", vcpus=64, memory_mib=512 + ROOM * 256)
    jobs = service.jobs(JOBS)
    url, log = database.url.render_as_string(hide_password=False), tmp_path / "schedulers.log"
    rng = random.Random(schedulers)
    moments = [MOMENTS[(n + 1) % len(MOMENTS)] for n in range(schedulers)]
    told = stormed(url, rng.sample(moments, schedulers), log)
    assert set(told["codes"]) <= {0, -9}, log.read_text()
    assert -9 in told["codes"]
    assert told["last"] == 0, log.read_text()
    until(lambda: balanced(inn), 10, "PostgreSQL to take back what the dead had not committed")
    with database.read() as session:
        claims = session.execute(select(Claim.host_id, func.count()).group_by(Claim.host_id)).all()
        steps = [session.get_one(Job, job).step for job in jobs]
        finished = select(JobEvent.job_id).where(JobEvent.kind == "step.finished", JobEvent.step == "place")
        placed = list(session.scalars(finished))
        assert all(h.used_memory_mib <= ROOM * 256 for h in session.scalars(select(Host)))
    assert sorted(count for _, count in claims) == [ROOM] * HOSTS
    assert sorted(steps) == ["build"] * ROOM * HOSTS + ["release"] * (JOBS - ROOM * HOSTS)
    assert len(placed) == len(set(placed)) == ROOM * HOSTS


def test_what_a_batch_claimed_is_given_back_by_undo(database: Database) -> None:
    service = Service(database)
    inn = service.inn
    inn.add_host("h1")
    jobs = service.jobs(3)
    service.place(jobs)
    runner = service.runner
    with database.write() as session:
        for job in jobs:
            row = session.get_one(Job, job)
            row.state, row.step, row.queue, row.undo, row.due_at = "undoing", "release", "scheduler", ["release"], 0.0
    for job in jobs:
        runner.run(job)
    assert inn.used() == {"id-h1": (0, 0, 0)}
    assert inn.claimed() == {}
    assert {inn.job(job).state for job in jobs} == {"failed"}
