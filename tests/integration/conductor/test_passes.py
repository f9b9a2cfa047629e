# SPDX-License-Identifier: Apache-2.0
"""What a conductor finds to do by one question, on each database; and that it asks no more where there is nothing."""

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import event, update

from services.common.contracts.ids import new_id
from services.common.store.models import Base, Evidence, GuestMessage, GuestTools, Host, Vm
from services.conductor import due
from services.conductor.passes import Parts, passes
from tests.integration.conductor.conftest import HOST, Room
from tests.support.waiting import until

TIMEOUT_S = 20.0
LONG_AGO = 1.0


def put(row: Callable[[Room], Base], room: Room) -> None:
    with room.database.write() as session:
        session.add(row(room))


def observed(room: Room) -> None:
    with room.database.write() as session:
        session.execute(update(Vm).where(Vm.id == room.vm_id).values(observed={"boot_id": "b1"}))


def silent(room: Room) -> None:
    with room.database.write() as session:
        session.execute(update(Host).where(Host.id == HOST).values(heartbeat_at=time.time() - TIMEOUT_S - 1))


def message(room: Room) -> GuestMessage:
    return GuestMessage(vm_id=room.vm_id, at=LONG_AGO, message={"type": "hello"})


def evidence(room: Room) -> Evidence:
    return Evidence(id=new_id(), vm_id=room.vm_id, host_id=HOST, asked_at=LONG_AGO, until=LONG_AGO)


def tools(room: Room) -> GuestTools:
    return GuestTools(vm_id=room.vm_id, facts={}, since=LONG_AGO, at=LONG_AGO, due=LONG_AGO)


CAUSES: dict[str, Callable[[Room], None]] = {
    "ring_overdue": lambda room: room.change(state="queued", lease_until=0.0, due_at=0.0, rung_at=0.0),
    "drain": partial(put, message),
    "resend_commands": lambda room: room.change(resend_at=LONG_AGO),
    "finish_all": observed,
    "stall_overdue": lambda room: room.change(deadline_at=LONG_AGO),
    "give_up": partial(put, evidence),
    "weigh_due": partial(put, tools),
    "mark_silent_hosts": silent,
}


class Conductor:
    """Its table, worked through as often as a test wants; what its passes would do is noted."""

    def __init__(self, room: Room):
        self.done: list[str] = []
        self.asked: list[str] = []
        parts = Parts(*(cast(Any, SimpleNamespace(**{name: self._noting(name) for name in CAUSES})) for _ in range(5)))
        self.table = passes(room.database, parts, TIMEOUT_S)
        event.listen(room.database._looking, "before_cursor_execute", self._note)

    def _noting(self, name: str) -> Callable[..., None]:
        def note(*_: object) -> None:
            self.done.append(name)

        note.__name__ = name
        return note

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.asked.append(statement)

    def turn(self) -> list[str]:
        """What was done in one turn."""
        self.done = []
        for _, work in self.table:
            work()
        return self.done


def test_every_pass_has_a_cause_here(room: Room) -> None:
    assert {work.__name__ for _, work in Conductor(room).table} == {"look", *CAUSES}


@pytest.mark.parametrize("name", CAUSES)
def test_a_pass_is_made_where_there_is_work_for_it_and_no_other(room: Room, name: str) -> None:
    conductor = Conductor(room.check_in())
    assert conductor.turn() == []
    CAUSES[name](room)
    assert conductor.turn() == [name]


def test_nothing_to_do_is_one_question(room: Room) -> None:
    conductor = Conductor(room.check_in())
    assert [conductor.turn() for _ in range(3)] == [[], [], []]
    assert len([said for said in conductor.asked if said.startswith("SELECT")]) == 3


def test_while_no_job_is_under_way_it_is_asked_less_often(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "AT_REST_S", 3600.0)
    conductor = Conductor(room.check_in())
    room.change(state="succeeded")
    assert [conductor.turn() for _ in range(3)] == [[], [], []]
    assert len([said for said in conductor.asked if said.startswith("SELECT")]) == 1


def test_what_comes_while_no_job_is_under_way_is_found_at_the_next_look(room: Room) -> None:
    conductor = Conductor(room.check_in())
    room.change(state="succeeded")
    assert conductor.turn() == []
    put(message, room)
    until(conductor.turn, 5, "a look", pause=0.05)
    assert conductor.done == ["drain"]


def test_what_was_found_waits_for_its_interval_and_is_not_forgotten(room: Room) -> None:
    conductor = Conductor(room.check_in())
    room.change(deadline_at=LONG_AGO)
    assert conductor.turn() == ["stall_overdue"]
    assert conductor.turn() == []
    begun = time.monotonic()
    while not conductor.turn():
        assert time.monotonic() - begun < 5
        time.sleep(0.05)
    assert conductor.done == ["stall_overdue"]
