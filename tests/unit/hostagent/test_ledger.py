# SPDX-License-Identifier: Apache-2.0
"""What the ledger refuses, and that it remembers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.contracts.commands import Command, Verb
from services.hostagent.ledger import BURIED, STALE, Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.sqlite")
    yield found
    found.close()


def command(verb: Verb = Verb.START, fence: int = 1, vm: str = "vm-1") -> Command:
    return Command("c", verb, "h", vm, "j", "s", fence, "p", 10.0)


def test_the_same_fence_may_come_again(ledger: Ledger) -> None:
    assert ledger.admit(command(fence=3)) == ""
    assert ledger.admit(command(fence=3)) == ""


def test_an_older_fence_is_refused(ledger: Ledger) -> None:
    ledger.admit(command(fence=3))
    assert ledger.admit(command(fence=2)) == STALE
    assert ledger.admit(command(Verb.ERASE, fence=2)) == STALE
    assert ledger.admit(command(fence=2, vm="another")) == ""


def test_nothing_but_a_newer_fence_passes_a_tombstone(ledger: Ledger) -> None:
    ledger.admit(command(Verb.ERASE, fence=3))
    ledger.bury("vm-1", 3)
    assert ledger.admit(command(Verb.DEPLOY, fence=3)) == BURIED
    assert ledger.admit(command(Verb.START, fence=2)) == STALE
    assert ledger.admit(command(Verb.ERASE, fence=3)) == ""
    assert ledger.admit(command(Verb.DEPLOY, fence=4)) == ""


def test_everything_is_remembered_by_the_next_agent(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.sqlite")
    first.admit(command(Verb.ERASE, fence=5))
    first.bury("vm-1", 5)
    first.note_reboot("vm-1", "c-1")
    # Not closed: a killed agent closes nothing.
    second = Ledger(tmp_path / "ledger.sqlite")
    assert second.highest("vm-1") == 5
    assert second.admit(command(Verb.DEPLOY, fence=5)) == BURIED
    assert second.rebooted("vm-1", "c-1")
    assert not second.rebooted("vm-1", "c-2")
    first.close()
    second.close()


def test_an_unknown_vm_has_no_fence(ledger: Ledger) -> None:
    assert ledger.highest("never") == -1
    assert not ledger.rebooted("never", "c")
