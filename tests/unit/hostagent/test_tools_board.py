# SPDX-License-Identifier: Apache-2.0
"""What is said of guests is told once for each change, and all of it again after a while."""

from dataclasses import replace

import pytest

from services.common.contracts.tools import ToolsFacts
from services.hostagent import tools_board
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.fake.faults import ONLY_TOOLS, Habits
from services.hostagent.drivers.fake.seed import FakeLink
from services.hostagent.drivers.fake.state import FakeVm
from services.hostagent.drivers.fake.tools import tools_facts
from services.hostagent.tools_board import ToolsBoard

UP, DOWN = ToolsFacts(True, "web"), ToolsFacts(False)
Told = list[tuple[str, ToolsFacts]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def board(told: Told) -> ToolsBoard:
    return ToolsBoard(lambda vm, facts: told.append((vm, facts)))


def test_of_many_changes_between_two_looks_the_last_one_is_told(board: ToolsBoard, told: Told) -> None:
    for facts in (DOWN, UP, DOWN, UP):
        board.note("a", facts)
    for _ in range(3):
        board.tell()
    board.note("a", DOWN)
    board.tell()
    assert told == [("a", UP), ("a", DOWN)]


def test_all_is_told_again_after_a_while_but_not_of_those_that_left(
    board: ToolsBoard, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vm in ("a", "b"):
        board.note(vm, UP)
    board.tell()
    board.leave("b")
    monkeypatch.setattr(tools_board, "AGAIN_S", 0.0)
    board.tell()
    assert told == [("a", UP), ("b", UP), ("a", UP)]


def test_what_could_not_be_told_is_told_the_next_time(told: Told) -> None:
    def broken(_vm: str, _facts: ToolsFacts) -> None:
        if not told:
            told.append(("", DOWN))
            raise ConnectionError

    board = ToolsBoard(broken)
    board.note("a", UP)
    with pytest.raises(ConnectionError):
        board.tell()
    told.append(("again", UP))
    board.tell()
    assert len(told) == 2


def test_a_fake_guest_has_addresses_once_it_has_booted() -> None:
    link = FakeLink("eth0", "52:54:00:00:00:01", ("10.0.0.5/24",))
    vm = FakeVm("a", "u", "web", "p", 1, vcpus=1, memory_mib=1, disk_gib=1, os="mini", links=(link,))
    running, habits = replace(vm, power=Power.ON, started_at=100.0), Habits(boot_s=5.0, faults=(ONLY_TOOLS,))
    assert not tools_facts(vm, habits, 106.0).running
    assert not tools_facts(running, habits, 104.0).running
    assert tools_facts(running, habits, 106.0).links[0].addresses == link.addresses
