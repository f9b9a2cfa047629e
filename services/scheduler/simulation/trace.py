# SPDX-License-Identifier: Apache-2.0
"""What happened, or might: hosts, and vms that came, used their processors, and went."""

from dataclasses import dataclass, field

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.engine.table import Floats

STEADY: Floats = np.array([[0.3]])  # of a vm's vcpus are busy, where nobody measured


@dataclass(frozen=True)
class Arrival:
    """A vm that is asked for at `at` seconds and ends `lasts` seconds after it got its host."""

    at: float
    request: Request
    lasts: float = float("inf")
    use: int = 0  # which row of the trace's `use` says how busy it is
    host: str = ""  # where it was placed then, if that is known


@dataclass(frozen=True)
class Trace:
    """Arrivals in the order of their times. Each row of `use` goes on from its start when it ends."""

    name: str
    hosts: tuple[HostView, ...]
    arrivals: tuple[Arrival, ...]
    until: float  # seconds; vms that live longer are counted up to here
    use: Floats = field(default_factory=lambda: STEADY)  # rows x samples: the share of its vcpus a vm keeps busy
    sample_s: float = 300.0
