# SPDX-License-Identifier: Apache-2.0
"""What an agent tells of a vm's power, where the hypervisor itself tells late or out of turn."""

from collections.abc import Callable

import pytest

from services.common.contracts.commands import Verb
from services.common.contracts.errors import TryAgain
from services.common.contracts.events import AgentEventKind as K
from services.hostagent.drivers.base import Power, PowerSeen
from services.hostagent.drivers.fake.driver import FakeDriver
from services.hostagent.power_board import PowerBoard
from tests.support.hypervisor import a_vm, plan
from tests.unit.hostagent.conftest import Desk


@pytest.fixture
def late(desks: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> tuple[Desk, str, PowerSeen]:
    """A vm that runs on a host that tells of changes when the test says so."""
    seen: list[PowerSeen] = []
    monkeypatch.setattr(FakeDriver, "watch", lambda _driver, tell, _resync: seen.append(tell))
    desk, vm = desks(), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    seen[0](vm, Power.ON)
    return desk, vm, seen[0]


def powers(desk: Desk, vm: str) -> list[str]:
    return [event.data["power"] for event in desk.heard(K.LIFECYCLE, vm)]


def test_a_pause_told_after_the_vm_goes_on_is_no_news(late: tuple[Desk, str, PowerSeen]) -> None:
    desk, vm, seen = late
    desk.do(Verb.SUSPEND, vm)
    desk.do(Verb.RESUME, vm)
    for power in (Power.PAUSED, Power.ON):
        seen(vm, power)
    assert powers(desk, vm) == ["on"]


def test_a_change_that_is_true_is_told_once(late: tuple[Desk, str, PowerSeen]) -> None:
    desk, vm, seen = late
    desk.agent.driver.force_stop(vm)
    for _ in range(2):
        seen(vm, Power.OFF)
    assert powers(desk, vm) == ["on", "off"]


def test_a_crash_is_told_as_such_where_the_vm_only_looks_off(late: tuple[Desk, str, PowerSeen]) -> None:
    desk, vm, seen = late
    desk.agent.driver.force_stop(vm)
    seen(vm, Power.CRASHED)
    assert powers(desk, vm) == ["on", "crashed"]


def test_what_the_hypervisor_told_is_believed_where_it_does_not_answer(
    late: tuple[Desk, str, PowerSeen], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, vm, seen = late

    def away(_driver: FakeDriver, _vm: str) -> str:
        raise TryAgain("away")

    monkeypatch.setattr(FakeDriver, "power", away)
    seen(vm, Power.OFF)
    assert powers(desk, vm) == ["on", "off"]


def test_what_was_seen_before_a_command_ended_is_not_told_after_it() -> None:
    board, told = PowerBoard(), []
    acts = board.acts("vm")
    board.acted("vm")
    assert not board.tell("vm", Power.PAUSED, acts, lambda: told.append("paused"))
    assert board.tell("vm", Power.ON, board.acts("vm"), lambda: told.append("on"))
    assert told == ["on"]
