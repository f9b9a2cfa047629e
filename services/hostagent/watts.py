# SPDX-License-Identifier: Apache-2.0
"""How much power a host draws: by the configured meter, by RAPL where Linux shows it, else by the power curve."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

POWERCAP = Path("/sys/class/powercap")
CURVE_POINTS = 11  # at 0, 10, ... 100 % CPU


@dataclass(frozen=True)
class _Counter:
    """A package's energy at a time; the counter starts again at `wraps_at`."""

    energy_uj: int
    wraps_at: int
    at: float


def default_curve(cores: int) -> tuple[float, ...]:
    """A guess for a server of that many cores: it idles at two fifths of what it draws under full load."""
    full = 30.0 + 5.0 * cores
    idle = 0.4 * full
    return tuple(round(idle + (full - idle) * n / (CURVE_POINTS - 1), 1) for n in range(CURVE_POINTS))


def watts_on_curve(curve: Sequence[float], cpu_percent: float) -> float:
    """The curve's value at that load, linear between its eleven points."""
    position = min(100.0, max(0.0, cpu_percent)) / 10
    below = min(int(position), CURVE_POINTS - 2)
    return round(curve[below] + (curve[below + 1] - curve[below]) * (position - below), 2)


class Outside(Protocol):
    """A meter outside the operating system, asked by somebody else."""

    name: str

    def fresh(self) -> float | None:
        """Its last reading, None where there is none that is fresh."""


class PowerMeter:
    """Watts since the last reading, and where they are from: the outside meter's name, "rapl" or "curve"."""

    def __init__(
        self,
        curve: Sequence[float],
        powercap: Path | None = POWERCAP,
        clock: Callable[[], float] = time.monotonic,
        outside: Outside | None = None,
    ) -> None:
        self._outside = outside
        self._curve = curve
        self._powercap = powercap
        self._clock = clock
        self._last = self._read()

    def read(self, cpu_percent: float) -> tuple[float, str]:
        """The power drawn now."""
        before, self._last = self._last, self._read()
        measured = self._outside.fresh() if self._outside is not None else None
        if self._outside is not None and measured is not None:
            return round(measured, 2), self._outside.name
        watts = sum(_watts(before[name], now) for name, now in self._last.items() if name in before)
        if watts > 0:
            return round(watts, 2), "rapl"
        return watts_on_curve(self._curve, cpu_percent), "curve"

    def _read(self) -> dict[str, _Counter]:
        """The counter of every CPU package; psys and the domains within a package would count energy twice."""
        if self._powercap is None:
            return {}
        found = {}
        for package in sorted(self._powercap.glob("intel-rapl:*")):
            if package.name.count(":") != 1:
                continue
            try:
                if not (package / "name").read_text().startswith("package"):
                    continue
                energy = int((package / "energy_uj").read_text())
                wraps_at = int((package / "max_energy_range_uj").read_text())
            except (OSError, ValueError):
                continue  # not readable here: the curve has to do
            found[package.name] = _Counter(energy, wraps_at, self._clock())
        return found


def _watts(before: _Counter, now: _Counter) -> float:
    seconds = now.at - before.at
    spent = now.energy_uj - before.energy_uj
    if spent < 0:
        spent += now.wraps_at
    return spent / 1e6 / seconds if seconds > 0 else 0.0
