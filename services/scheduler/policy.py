# SPDX-License-Identifier: Apache-2.0
"""A placement policy as the chooser uses it."""

from dataclasses import dataclass

from services.scheduler.capacity import Capacity
from services.scheduler.rule import Filter, Weigher


@dataclass(frozen=True)
class Weighted:
    """A weigher and how much it counts."""

    multiplier: float
    weigher: Weigher


@dataclass(frozen=True)
class Policy:
    """Immutable: the same name, version and sha256 always decide alike. Filters are told in their order."""

    name: str
    version: int
    sha256: str
    capacity: Capacity
    filters: tuple[Filter, ...]
    weighers: tuple[Weighted, ...]
    top: int = 5  # candidates and misses kept in an explanation
