# SPDX-License-Identifier: Apache-2.0
"""The plan to empty thirsty hosts, from the rows of a real database; it changes none of them."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.common.contracts.errors import Conflict, Invalid
from services.common.contracts.ids import new_id
from services.common.contracts.moves import Move
from services.common.store.database import Database
from services.common.store.models import Claim, Vm
from services.common.store.moves_taken import HOUR_S, take_moves, taken_lately
from services.scheduler.consolidating import Consolidator
from services.scheduler.policy_file import Shelf
from tests.support.hosts import add_host, add_vm
from tests.support.placing import CURVE, PLAIN

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
    assert [kept["host_name"] for kept in planned(database)["kept"]] == ["thirsty", "thrifty"]


BUDGET = PLAIN.replace("WEIGHER", "pack").lstrip() + "power: {consolidate: {moves_per_hour: 3}}\n"


def scattered(database: Database) -> None:
    """Three thirsty hosts of two vms each, and a thrifty one."""
    with database.write() as session:
        for n in range(3):
            host = add_host(session, f"thirsty-{n}", power_curve=list(CURVE))
            for _ in range(2):
                add_vm(session, host)
        add_vm(session, add_host(session, "thrifty", power_curve=THRIFTY))


def taken(plan: dict[str, Any]) -> list[Move]:
    return [Move(m["vm"], step["host"], m["target"]) for step in plan["emptied"] for m in step["moves"]]


def test_what_was_handed_out_counts_against_the_hour_whoever_asks_and_after_a_restart(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text(BUDGET)
    scattered(database)
    now = [time.time()]

    def plan() -> dict[str, Any]:
        fresh = Consolidator(database, Shelf(tmp_path / "policy.yaml"), lambda: now[0])
        found: dict[str, Any] = fresh.answer({"moves": 100})
        return found

    first = plan()
    assert (first["moves"], first["budget"]) == (2, {"per_hour": 3, "taken": 0, "left": 3})
    with database.write() as session:
        take_moves(session, taken(first), 3, "me", now[0])
    second = plan()
    assert (second["moves"], second["budget"]) == (0, {"per_hour": 3, "taken": 2, "left": 1})
    why = {kept["host_name"]: kept["reason"] for kept in second["kept"]}
    assert why["thirsty-0"].endswith("whose move was handed out lately")
    assert why["thirsty-1"] == "has 2 vms, and 1 moves are left"
    now[0] += HOUR_S
    assert plan()["budget"]["left"] == 3


def test_who_comes_second_gets_no_more_than_is_left(database: Database) -> None:
    moves = [Move(new_id(), new_id(), new_id()) for _ in range(3)]
    with database.write() as session:
        take_moves(session, moves[:2], 3, "me", 1000.0)
    with pytest.raises(Conflict, match="1 of 3 moves are left"), database.write() as session:
        take_moves(session, [moves[2], Move(new_id(), new_id(), new_id())], 3, "you", 1001.0)
    with pytest.raises(Conflict, match="somebody else has taken"), database.write() as session:
        take_moves(session, moves[:1], 0, "you", 1001.0)
    with database.write() as session:
        take_moves(session, moves[2:], 3, "you", 1001.0)
        assert len(taken_lately(session, 1002.0)) == 3


def test_many_who_take_at_once_never_take_more_than_the_hour_has(database: Database) -> None:
    def take(_n: int) -> bool:
        try:
            with database.write() as session:
                take_moves(session, [Move(new_id(), new_id(), new_id())], 4, "", 1000.0)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(16))) == 4


def test_a_question_without_a_number_of_moves_is_refused(database: Database) -> None:
    with pytest.raises(Invalid, match="can't be read"):
        planned(database, moves=0)
