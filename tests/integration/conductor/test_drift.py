# SPDX-License-Identifier: Apache-2.0
"""What a host sees of a vm that nobody here asked for becomes the vm's state."""

import pytest
from sqlalchemy import select, update

from services.common.store.drifts import DriftEntry
from services.common.store.models import Claim, Host, Vm
from tests.integration.conductor.conftest import HOST, Room


def settled(room: Room, state: str) -> None:
    """A vm on the host that no job works on."""
    room.check_in()
    with room.database.write() as session:
        session.execute(update(Vm).where(Vm.id == room.vm_id).values(job_id=None, state=state, host_id=HOST))


@pytest.mark.parametrize(
    ("state", "power", "then"),
    [
        ("ready", "paused", "suspended"),
        ("ready", "off", "stopped"),
        ("ready", "on", "ready"),
        ("ready", "absent", "missing"),
        ("suspended", "on", "ready-unverified"),
        ("suspended", "crashed", "stopped"),
        ("stopped", "paused", "suspended"),
        ("missing", "off", "stopped"),
        ("deleting", "paused", "deleting"),
    ],
)
def test_a_power_nobody_asked_for_is_the_vms_state(room: Room, state: str, power: str, then: str) -> None:
    settled(room, state)
    room.turns(power)
    with room.database.read() as session:
        assert session.get_one(Vm, room.vm_id).state == then


def test_why_a_vm_stands_still_is_in_the_journal_where_its_host_knows(room: Room) -> None:
    settled(room, "ready")
    room.turns("paused", why="there is no room left")
    with room.database.read() as session:
        (entry,) = session.scalars(select(DriftEntry)).all()
    assert entry.text == "its power is paused: there is no room left (ready became suspended)"
    assert entry.data["why"] == "there is no room left"


def test_what_waited_for_a_power_off_is_there_once_the_vm_was_off(room: Room) -> None:
    settled(room, "ready")
    with room.database.write() as session:
        session.execute(update(Vm).where(Vm.id == room.vm_id).values(pending={"vcpus": 3}))
        session.execute(update(Host).where(Host.id == HOST).values(used_vcpus=3, used_memory_mib=256))
        claim = {"vcpus": 3, "memory_mib": 256, "disk_gib": 0, "created_at": 0.0, "labels": {}}
        session.add(Claim(vm_id=room.vm_id, job_id=room.job_id, host_id=HOST, **claim))
    room.turns("on")
    with room.database.read() as session:
        assert session.get_one(Vm, room.vm_id).pending == {"vcpus": 3}
    room.turns("off")
    with room.database.read() as session:
        assert session.get_one(Vm, room.vm_id).pending is None
        assert (session.get_one(Claim, room.vm_id).vcpus, session.get_one(Host, HOST).used_vcpus) == (1, 1)
