# SPDX-License-Identifier: Apache-2.0
"""What the supervisor is told about one process: pure data, and a question whether it is ready."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spec:
    """One process. Secrets stand in `env` or in files, never in `argv`."""

    name: str
    argv: list[str]
    env: dict[str, str]
    log: Path
    ready: Callable[[], bool] = lambda: True
    after: tuple[str, ...] = ()
    once: bool = False  # it is ready when it has ended with 0, and a failure ends the stack
    needs: Path | None = None  # it isn't started, nor waited for, before this file exists
    port: int | None = None
    cwd: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0


def layers(specs: Iterable[Spec]) -> list[list[str]]:
    """Names in starting order: a layer needs only earlier layers. Raises ValueError for a cycle or an unknown name."""
    left = {spec.name: set(spec.after) for spec in specs}
    order: list[list[str]] = []
    while left:
        layer = sorted(name for name, after in left.items() if not after & left.keys())
        unknown = {name for after in left.values() for name in after} - left.keys() - {n for la in order for n in la}
        if unknown or not layer:
            raise ValueError(f"process table: unknown or circular `after`: {sorted(unknown or left)}")
        order.append(layer)
        for name in layer:
            del left[name]
    return order


def backoff(failures: int) -> float:
    """Seconds to wait before start number `failures` + 1 of a process that keeps crashing: 0.2 rising to 10."""
    return float(min(10.0, 0.2 * 2 ** max(0, failures - 1)))
