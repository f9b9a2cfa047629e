# SPDX-License-Identifier: Apache-2.0
"""The probe boots a real machine; KVM is believed only when it is at least about as fast as emulation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local import kvm_probe
from deploy.local.kvm_probe import BOOT_SECTOR, Boot, boots, probe


def test_the_sector_is_one_a_bios_boots() -> None:
    assert len(BOOT_SECTOR) == 512
    assert BOOT_SECTOR.endswith(b"\x55\xaa")


def test_the_sector_boots_under_emulation() -> None:
    assert boots("tcg").status == 33


def test_no_device_means_emulation_and_says_why(tmp_path: Path) -> None:
    accel = probe(tmp_path / "cache.json", tmp_path / "no-kvm")
    assert accel.kind == "tcg"
    assert "doesn't exist" in accel.reason


@pytest.mark.parametrize(
    ("real", "kind", "reason"),
    [
        (Boot(33, 0.2), "kvm", "ran on"),
        (Boot(None, 5.0), "tcg", "hung"),
        (Boot(1, 0.1), "tcg", "ended with 1"),
        (Boot(33, 2.9), "tcg", "slower than emulation"),
    ],
)
def test_kvm_is_used_only_when_the_sector_ran_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Boot, kind: str, reason: str
) -> None:
    answers = {"kvm": real, "tcg": Boot(33, 0.1)}
    monkeypatch.setattr(kvm_probe, "boots", lambda accel, prefix=(): answers[accel])
    device = tmp_path / "kvm"
    device.touch()
    accel = probe(tmp_path / "cache.json", device)
    assert (accel.kind, reason in accel.reason) == (kind, True)


def test_the_answer_is_kept_until_the_machine_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, device = tmp_path / "cache.json", tmp_path / "kvm"
    device.touch()
    asked: list[str] = []

    def count(accel: str, prefix: tuple[str, ...] = ()) -> Boot:
        asked.append(accel)
        return Boot(33, 0.1)

    monkeypatch.setattr(kvm_probe, "boots", count)
    assert probe(cache, device) == probe(cache, device)
    assert asked.count("kvm") == 1
    cache.write_text(json.dumps({**json.loads(cache.read_text()), "key": "another kernel"}))
    probe(cache, device)
    assert asked.count("kvm") == 2
