# SPDX-License-Identifier: Apache-2.0
"""Watts: measured where the powercap tree has them, else read off the curve, and which of both is said."""

from pathlib import Path

import pytest

from services.hostagent.drivers.machine import Machine
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.watts import PowerMeter, default_curve, watts_on_curve

CURVE = tuple(float(100 + 10 * n) for n in range(11))


class Rapl:
    """A powercap tree and a clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, 0.0
        for name, kind in (("0", "package-0"), ("1", "package-1"), ("0:0", "core"), ("2", "psys")):
            folder = root / f"intel-rapl:{name}"
            folder.mkdir()
            (folder / "name").write_text(f"{kind}\n")
            (folder / "max_energy_range_uj").write_text("1000000000\n")
            (folder / "energy_uj").write_text("0\n")

    def set(self, name: str, energy_uj: int) -> None:
        (self.root / f"intel-rapl:{name}" / "energy_uj").write_text(f"{energy_uj}\n")

    def clock(self) -> float:
        return self.now


@pytest.fixture
def rapl(tmp_path: Path) -> Rapl:
    return Rapl(tmp_path)


def test_packages_are_summed_and_nothing_is_counted_twice(rapl: Rapl) -> None:
    meter = PowerMeter(CURVE, rapl.root, rapl.clock)
    rapl.now = 5.0
    for name, joules in (("0", 100), ("1", 50), ("0:0", 80), ("2", 900)):
        rapl.set(name, joules * 1_000_000)
    assert meter.read(50.0) == (30.0, "rapl")


def test_a_counter_that_wraps_is_no_burst(rapl: Rapl) -> None:
    rapl.set("0", 990_000_000)
    meter = PowerMeter(CURVE, rapl.root, rapl.clock)
    rapl.now = 1.0
    rapl.set("0", 10_000_000)
    assert meter.read(50.0) == (20.0, "rapl")


def test_without_counters_the_curve_answers(tmp_path: Path) -> None:
    assert PowerMeter(CURVE, tmp_path / "none").read(50.0) == (150.0, "curve")
    assert PowerMeter(CURVE, None).read(0.0) == (100.0, "curve")


@pytest.mark.parametrize(("cpu", "watts"), [(-1, 100), (0, 100), (5, 105), (99.9, 199.9), (100, 200), (400, 200)])
def test_between_its_points_the_curve_is_straight(cpu: float, watts: float) -> None:
    assert watts_on_curve(CURVE, cpu) == watts


def test_the_default_curve_rises_and_has_eleven_points() -> None:
    curve = default_curve(16)
    assert len(curve) == 11
    assert list(curve) == sorted(curve)
    assert curve[0] > 0


def test_cpu_in_use_is_what_was_spent_since_the_last_look(tmp_path: Path) -> None:
    files = VmFiles(tmp_path / "agent")
    files.prepare()
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemAvailable: 1024 kB\n")
    machine = Machine(files, tmp_path)
    (tmp_path / "stat").write_text("cpu 100 0 100 700 100 0 0 0 0 0\n")
    assert machine.usage(0).cpu_percent == 20.0
    (tmp_path / "stat").write_text("cpu 160 0 120 710 110 0 0 0 0 0\n")
    usage = machine.usage(3)
    assert (usage.cpu_percent, usage.memory_used_mib, usage.running_vms) == (80.0, 3, 3)
