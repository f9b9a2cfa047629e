# SPDX-License-Identifier: Apache-2.0
"""The plan to empty thirsty hosts, from the rows of a real database; it changes none of them."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from services.common.contracts.errors import Invalid
from services.common.store.database import Database
from services.common.store.models import Claim, Vm
from services.scheduler.consolidating import Consolidator
from services.scheduler.policy_file import Shelf
from tests.support.hosts import add_host, add_vm
from tests.support.placing import CURVE

THRIFTY = [watts / 2 for watts in CURVE]


def planned(database: Database, **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = Consolidator(database, Shelf(), time.time).answer({"moves": 10, **asked})
    return found


def test_a_thirsty_host_s_vms_would_move_to_a_thrifty_one_and_stay_where_they_are(database: Database) -> None:
    with database.write() as session:
        thirsty = add_host(session, "thirsty", power_curve=list(CURVE))
        thrifty = add_host(session, "thrifty", power_curve=THRIFTY)
        moving = add_vm(session, thirsty)
        add_vm(session, thrifty)
        name = session.get_one(Vm, moving).name
    plan = planned(database)
    (step,) = plan["emptied"]
    assert (step["host"], step["host_name"]) == (thirsty, "thirsty")
    assert step["moves"] == [{"vm": moving, "vm_name": name, "target": thrifty, "target_name": "thrifty"}]
    assert plan["watts_saved"] == step["watts_saved"] > 90
    with database.read() as session:
        assert session.scalars(select(Claim.host_id).where(Claim.vm_id == moving)).one() == thirsty


def test_a_host_with_a_busy_vm_is_left_alone(database: Database) -> None:
    with database.write() as session:
        thirsty = add_host(session, "thirsty", power_curve=list(CURVE))
        add_vm(session, thirsty, job_id="0" * 36)
        add_vm(session, add_host(session, "thrifty", power_curve=THRIFTY))
    assert planned(database)["emptied"] == []


def test_a_question_without_a_number_of_moves_is_refused(database: Database) -> None:
    with pytest.raises(Invalid, match="can't be read"):
        planned(database, moves=0)
