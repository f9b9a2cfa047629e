# SPDX-License-Identifier: Apache-2.0
"""What a host sees of a vm that nobody here asked for becomes the vm's state."""

import pytest
from sqlalchemy import update

from services.common.store.models import Vm
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
