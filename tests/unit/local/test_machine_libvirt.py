# SPDX-License-Identifier: Apache-2.0
"""When the machine's own libvirtd is used, and when not."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import machine_libvirt
from deploy.local.kvm_probe import Accel
from deploy.local.machine_libvirt import Choice, choose

KVM = Accel("kvm", "")


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose libvirtd answers and runs guests as an unprivileged user."""
    monkeypatch.setattr(Path, "is_socket", lambda path: True)
    monkeypatch.setattr(machine_libvirt, "_virsh", lambda *words: "<capabilities/>")
    monkeypatch.setattr(machine_libvirt, "_guest_user", lambda: "nobody")


def test_none_is_used_where_none_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "is_socket", lambda path: False)
    assert choose(KVM, tmp_path) == Choice(None, "no libvirtd runs on this machine")


@pytest.mark.usefixtures("running")
def test_one_whose_guests_cannot_enter_our_directory_is_not_used(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    choice = choose(KVM, closed)
    assert choice.uri is None
    assert "can't enter" in choice.why


@pytest.mark.usefixtures("running")
def test_one_that_answers_and_reads_our_files_is_used() -> None:
    assert choose(KVM, Path("/usr/share")).uri == machine_libvirt.URI


@pytest.mark.usefixtures("running")
def test_one_that_does_not_answer_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_libvirt, "_virsh", lambda *words: None)
    choice = choose(KVM, Path("/usr/share"))
    assert choice.uri is None
    assert "doesn't answer" in choice.why


@pytest.mark.usefixtures("running")
def test_a_machine_with_a_kvm_that_does_not_work_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: True)
    choice = choose(Accel("tcg", ""), Path("/usr/share"))
    assert choice.uri is None
    assert "a KVM that doesn't work" in choice.why
