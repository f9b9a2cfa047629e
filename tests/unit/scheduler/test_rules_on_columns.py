# SPDX-License-Identifier: Apache-2.0
"""A rule says the same of a row of columns as of the host itself, to the last bit."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Amounts, Capacity, HostClass, Share
from services.scheduler.engine.table import HostTable
from services.scheduler.expressions.reading import read_condition
from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.filters.expression import ExpressionFilter
from services.scheduler.filters.group import group_filter
from services.scheduler.filters.headroom import HeadroomFilter
from services.scheduler.filters.hypervisor import HypervisorFilter
from services.scheduler.filters.load import LoadFilter
from services.scheduler.filters.named_host import NamedHostFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.filters.traits import TraitsFilter
from services.scheduler.filters.zone import ZoneFilter
from services.scheduler.groups import RULES, SCOPES
from services.scheduler.policy import Group
from services.scheduler.rule import Filter, Weigher
from services.scheduler.weighers.balance import BalanceWeigher
from services.scheduler.weighers.cost import CostWeigher
from services.scheduler.weighers.cpu import CpuWeigher
from services.scheduler.weighers.energy import EnergyWeigher
from services.scheduler.weighers.failures import FailuresWeigher
from services.scheduler.weighers.group import group_weigher
from services.scheduler.weighers.load import LoadWeigher
from services.scheduler.weighers.pack import PackWeigher
from services.scheduler.weighers.spread import SpreadWeigher
from tests.support.fleets import any_fleet, any_request

TIGHT = Capacity(1.7, 1.0, 1.1, Amounts(1, 512, 2))
CLASSES = Capacity(
    8.0, classes=(HostClass("gpu", Share(1.0, 0.9, 1.0, Amounts(2, 0, 0))), HostClass("ssd", Share(disk=2.0)))
)
CONDITIONS = (
    "host.zone == vm.zone or host.rack == 'r1'",
    "host.cpu_percent / host.vcpus < 3 or not host.watts >= 1e2",
    "vm.memory_mib / max(1, host.vms) <= host.memory_mib - host.used_memory_mib",
    "'gpu' in host.traits and vm.labels.tier not in ['prod'] or 'ssd' in vm.traits",
    "host.driver in ('libvirt', 'nobody') or vm.labels.app in host.traits",
    "min(host.price_kwh, host.failures, 0.5) != abs(-host.failures)",
    "1 < host.vcpus <= vm.vcpus * 1.5 + 3 or starts(vm.os, 'win') and host.zone in ('a', 'b')",
    "host.vcpus in (2, 16.0) or host.cpu_percent * 1e15 * 1e15 > host.watts",
)
FILTERS: list[Filter] = [
    CapacityFilter(Capacity()),
    CapacityFilter(TIGHT),
    CapacityFilter(CLASSES),
    HypervisorFilter(),
    HypervisorFilter(("libvirt", "unheard-of")),
    LoadFilter(0.5),
    LoadFilter(0.5, pass_missing=False),
    LoadFilter(1.0, False, 0.6),
    LoadFilter(0.7, True, 0.5, "1h"),
    NamedHostFilter(),
    StateFilter(),
    StateFilter(("up", "draining"), 30.0),
    TraitsFilter(),
    ZoneFilter(),
    HeadroomFilter(CLASSES, StateFilter(("up",), 30.0), 1),
    HeadroomFilter(TIGHT, StateFilter(), 2),
    *(group_filter(Group("app", rule, scope)) for rule in RULES for scope in SCOPES),
    *(ExpressionFilter("x", text, read_condition("vm.vcpus > 1"), read_condition(text)) for text in CONDITIONS),
]
WEIGHERS: list[Weigher] = [
    BalanceWeigher(TIGHT),
    EnergyWeigher(TIGHT),
    EnergyWeigher(CLASSES, half=3.0, wake_s=300.0, horizon_s=3600.0),
    CpuWeigher(CLASSES),
    PackWeigher(CLASSES),
    SpreadWeigher(TIGHT, (1.0, 0.3, 0.7)),
    LoadWeigher(),
    LoadWeigher("1h"),
    FailuresWeigher(),
    FailuresWeigher(600.0),
    FailuresWeigher(86400.0),
    CostWeigher(0.3, {"a": 0.21}),
    *(group_weigher(Group("app", rule, scope, "soft")) for rule in RULES for scope in SCOPES),
]
# Every fleet is shown to all rules: to make one up takes longer than to judge it.
some = settings(max_examples=40, deadline=None)


@some
@given(any_request, any_fleet, st.randoms(use_true_random=False))
def test_every_filter_passes_the_rows_of_the_hosts_it_does_not_refuse(
    request: Request, hosts: tuple[HostView, ...], rng: random.Random
) -> None:
    table = HostTable(hosts, now=1e9)
    rows = rng.sample(range(len(hosts)), len(hosts) // 2 + bool(hosts))
    for rule in FILTERS:
        bound = rule.among(request, hosts)
        expected = [bound.refuse(request, hosts[row]) is None for row in rows]
        assert rule.passes(request, table, np.array(rows, np.int64)).tolist() == expected, rule


@some
@given(any_request, any_fleet)
def test_every_weigher_gives_a_row_what_it_gives_the_host(request: Request, hosts: tuple[HostView, ...]) -> None:
    table = HostTable(hosts, now=1e9)
    rows = np.arange(len(hosts))[::-1].copy()
    for rule in WEIGHERS:
        bound = rule.among(request, hosts)
        expected = [bound.norm(request, host) for host in reversed(hosts)]
        assert rule.norms(request, table, rows).tolist() == expected, rule
