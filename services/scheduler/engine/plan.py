# SPDX-License-Identifier: Apache-2.0
"""What the engine knows of the rules of a policy: when each has to be asked again, and which have machine code.

A rule that isn't listed here is asked whenever anything of a host changed, and sees the whole request; with one that
looks at other hosts too, the policy is evaluated over all hosts for each request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.formulas import BALANCE, CPU, ENERGY, GIVEN, PACK, PARAMETERS, SPREAD
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import Floats, Ints
from services.scheduler.expressions.tree import words_of
from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.filters.expression import ExpressionFilter
from services.scheduler.filters.hypervisor import HypervisorFilter
from services.scheduler.filters.load import LoadFilter
from services.scheduler.filters.named_host import NamedHostFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.filters.traits import TraitsFilter
from services.scheduler.filters.zone import ZoneFilter
from services.scheduler.policy import Policy, Weighted
from services.scheduler.rule import Filter, Weigher
from services.scheduler.weighers.balance import BalanceWeigher
from services.scheduler.weighers.cpu import CpuWeigher
from services.scheduler.weighers.energy import EnergyWeigher
from services.scheduler.weighers.fullness import FullnessWeigher
from services.scheduler.weighers.pack import PackWeigher
from services.scheduler.weighers.spread import SpreadWeigher

# What a claim never changes: asked again when its host is, or when a heartbeat gets too old.
LASTING: frozenset[type[Filter]] = frozenset(
    {StateFilter, NamedHostFilter, HypervisorFilter, ZoneFilter, TraitsFilter, LoadFilter}
)
PLACE = frozenset({"hypervisor", "zone", "traits", "needs"})
CODES: Mapping[type[Weigher], int] = {
    PackWeigher: PACK,
    SpreadWeigher: SPREAD,
    BalanceWeigher: BALANCE,
    CpuWeigher: CPU,
    EnergyWeigher: ENERGY,
}
Key = tuple[object, ...]


@dataclass(frozen=True)
class Plan:
    """A policy, taken apart. Bit n of a row's refusals is the policy's filter n."""

    policy: Policy
    lasting: tuple[tuple[int, Filter], ...]
    changing: tuple[tuple[int, Filter], ...]
    cacheable: bool
    compiles: bool
    scans: bool  # compiled code can weigh hosts, given what filters and weighers say that have none
    placed: bool  # lasting filters look at nothing of a request but its place and what it needs
    plain: bool  # rules look at nothing of a request but its size, its place and what it needs
    capacity_bit: int  # -1 where the policy has no capacity filter
    codes: tuple[int, ...]  # of each weigher
    numbers: Floats  # rows: multiplier, then the parameters of the weigher's formula
    names: tuple[str, ...]  # of filters
    terms: tuple[str, ...]  # of weighers
    max_age_s: float  # of a heartbeat; 0 never too old

    def wishes(self, request: Request) -> Key:
        """All that lasting filters look at."""
        r = request
        wishes = r.hypervisor, r.host, r.zone, r.traits, r.needs, r.datastores
        return wishes if self.placed else self.shape(request)

    def shape(self, request: Request) -> Key:
        """All that any rule looks at: requests with the same shape are decided alike."""
        r = request
        key = r.vcpus, r.memory_mib, r.disk_gib, r.hypervisor, r.host, r.zone, r.traits, r.needs, r.datastores
        return key if self.plain else (*key, r.os, r.project, tuple(sorted(r.labels.items())))

    def asked(self, request: Request) -> Ints:
        """The request as compiled code takes it, see formulas.Ask."""
        ties = "fewest_vms" in self.policy.tie_break.order
        size = request.vcpus, request.memory_mib, request.disk_gib
        return np.array((*size, self.capacity_bit, ties, *self.codes), np.int64)

    def length(self, kept: int) -> int:
        """Of a note with so many hosts: how many there are, their rows and terms, and two counts of each filter."""
        return 1 + kept + kept * len(self.terms) + 2 * len(self.names)


def plan_of(policy: Policy, compiles: bool = COMPILES) -> Plan:
    """What can be kept between decisions of this policy, and what can be compiled."""
    filters = tuple(enumerate(policy.filters))
    lasting = tuple((bit, f) for bit, f in filters if type(f) in LASTING or getattr(f, "lasting", False))
    changing = tuple((bit, f) for bit, f in filters if (bit, f) not in lasting)
    weighers = [w.weigher for w in policy.weighers]
    fleet = any(f.fleet for f in policy.filters) or any(w.fleet for w in weighers)
    known = all(type(f) is CapacityFilter for _, f in changing) and all(type(w) in CODES for w in weighers)
    cacheable = not fleet and policy.normalise == "absolute"
    placed = all(_places(f) for _, f in lasting)
    return Plan(
        policy,
        lasting,
        changing,
        cacheable=cacheable,
        compiles=compiles and known and cacheable,
        scans=compiles and policy.normalise == "absolute",
        placed=placed,
        plain=known and placed,
        capacity_bit=next((bit for bit, f in changing if type(f) is CapacityFilter), -1),
        codes=tuple(CODES.get(type(w), GIVEN) for w in weighers),
        numbers=_numbers_of(policy.weighers),
        names=tuple(f.name for f in policy.filters),
        terms=tuple(w.name for w in weighers),
        max_age_s=max((f.max_heartbeat_age_s for f in policy.filters if isinstance(f, StateFilter)), default=0.0),
    )


def _places(rule: Filter) -> bool:
    """Whether a lasting filter looks at nothing of a request but its place and what it needs."""
    if isinstance(rule, ExpressionFilter):
        named = words_of(rule.when) | words_of(rule.require)
        return {name for of, name in named if of == "vm"} <= PLACE
    return type(rule) in LASTING


def _numbers_of(weighers: Sequence[Weighted]) -> Floats:
    numbers = np.array([_numbers(w) for w in weighers], np.float64).reshape(-1, 1 + PARAMETERS)
    given = [n for n, w in enumerate(weighers) if type(w.weigher) not in CODES]
    numbers[given, 1] = np.arange(len(given))  # their places among the terms that are given
    return numbers


def _numbers(weighted: Weighted) -> tuple[float, ...]:
    weigher = weighted.weigher
    given: tuple[float, ...] = ()
    if isinstance(weigher, FullnessWeigher):
        given = (*weigher.weights, sum(weigher.weights))
    if isinstance(weigher, EnergyWeigher):
        given = (weigher.half, weigher.waking)
    return (weighted.multiplier, *given, *(0.0,) * (PARAMETERS - len(given)))
