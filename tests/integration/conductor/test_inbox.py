# SPDX-License-Identifier: Apache-2.0
"""What a guest told over HTTPS counts as if its host had heard it."""

import time
from typing import Any

from sqlalchemy import func, select, update

from services.common.store.models import GuestMessage, Vm
from services.conductor.inbox import Inbox
from tests.integration.conductor.conftest import Room


def tells(room: Room, *messages: dict[str, Any]) -> None:
    with room.database.write() as session:
        for message in messages:
            session.add(GuestMessage(vm_id=room.vm_id, message=message, at=time.time()))
            session.flush()


def left(room: Room) -> int:
    with room.database.read() as session:
        return session.scalar(select(func.count()).select_from(GuestMessage)) or 0


def test_messages_are_recorded_in_their_order_and_forgotten(room: Room) -> None:
    room.check_in()
    tells(room, {"type": "phase", "name": "packages", "percent": 50}, {"type": "phase", "name": "installed"})
    assert Inbox(room.database, room.guests.record).drain() == 2
    assert (room.job().step, left(room)) == ("boot", 0)
    assert [text for text, _ in room.told("guest.phase")] == ["packages", "installed"]


def test_a_message_that_can_not_be_recorded_holds_up_nobody(room: Room) -> None:
    room.check_in()
    tells(room, {"type": "phase"}, {"type": "phase", "name": "packages"})
    Inbox(room.database, room.guests.record).drain()
    assert left(room) == 0
    assert [text for text, _ in room.told("guest.phase")] == ["packages"]


def test_words_of_a_vm_that_is_on_no_host_are_dropped(room: Room) -> None:
    room.check_in()
    with room.database.write() as session:
        session.execute(update(Vm).where(Vm.id == room.vm_id).values(host_id=None))
    tells(room, {"type": "phase", "name": "installed"})
    Inbox(room.database, room.guests.record).drain()
    assert (room.job().step, left(room)) == ("install", 0)
