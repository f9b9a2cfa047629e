# SPDX-License-Identifier: Apache-2.0
"""A placement policy as the chooser uses it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.matching import Match
from services.scheduler.rule import Filter, Weigher

DAY_S = 86400.0


@dataclass(frozen=True)
class Weighted:
    """A weigher and how much it counts."""

    multiplier: float
    weigher: Weigher


@dataclass(frozen=True)
class Group:
    """Vms with the same value of a label, and where they shall be to each other.

    `rule`: affinity, anti-affinity or spread; `scope`: host, rack or zone; `mode`: hard (a filter) or soft (a weigher).
    """

    label: str
    rule: str
    scope: str = "host"
    mode: str = "hard"
    multiplier: float = 1.0

    @property
    def name(self) -> str:
        """What its filter or weigher is called in an explanation."""
        return f"{self.rule}/{self.label}/{self.scope}"


@dataclass(frozen=True)
class TieBreak:
    """Who wins: among equal scores the least by `order`; above 1, `among_top` candidates by a seed of the request."""

    order: tuple[str, ...] = ("fewest_vms", "host_id")
    among_top: int = 1


@dataclass(frozen=True)
class OnNoHost:
    """What becomes of a vm that no host can take. `retry` empty: it fails at once."""

    retry: str = ""  # "capacity_change"
    deadline_s: float = 0.0
    suggest: tuple[str, ...] = ()  # fields of the request that may be proposed to change; empty: all


@dataclass(frozen=True)
class Power:
    """When hosts may sleep. `sleep_after_idle_s` 0: never."""

    sleep_after_idle_s: float = 0.0
    min_awake_hosts: int = 0
    min_awake_free_cpu: int = 0
    wake_by: tuple[str, ...] = ()
    moves_per_hour: int = 0  # that a consolidation may have; 0: any number


@dataclass(frozen=True)
class Policy:
    """Immutable: the same name, version and sha256 always decide alike. Filters are told in their order.

    `groups` and `headroom` are among the filters and weighers too: who decides needs only those.
    """

    name: str
    version: int
    sha256: str
    capacity: Capacity
    filters: tuple[Filter, ...]
    weighers: tuple[Weighted, ...]
    top: int = 5  # candidates and misses kept in an explanation
    match: Match = field(default_factory=Match)
    groups: tuple[Group, ...] = ()
    headroom: int = 0  # hosts whose loss every vm must survive
    normalise: str = "absolute"  # or minmax: each term over the candidates at hand
    tie_break: TieBreak = field(default_factory=TieBreak)
    on_no_host: OnNoHost = field(default_factory=OnNoHost)
    power: Power = field(default_factory=Power)
    explain_keep_s: float = 30 * DAY_S

    def among(self, request: Request, hosts: Sequence[HostView]) -> "Policy":
        """This policy with rules that know the other hosts, where they look at them."""
        if not any(f.fleet for f in self.filters) and not any(w.weigher.fleet for w in self.weighers):
            return self
        filters = tuple(f.among(request, hosts) for f in self.filters)
        weighers = tuple(Weighted(w.multiplier, w.weigher.among(request, hosts)) for w in self.weighers)
        return replace(self, filters=filters, weighers=weighers)
