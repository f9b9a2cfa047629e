# SPDX-License-Identifier: Apache-2.0
"""How many more vms fit: as many as placing them one after the other would tell, at once and in bounded time."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.placement import HostView, Request
from services.scheduler.choose import choose
from services.scheduler.engine.table import HostTable
from services.scheduler.policy import Policy
from services.scheduler.policy_file import read_policy
from services.scheduler.simulation.filling import fill
from services.scheduler.simulation.what_fits import Bounds, what_fits
from tests.support.fleets import any_fleet, any_request
from tests.support.placing import PLAIN, SHELF, a_host, a_request, plain_policy

PACK = PLAIN.replace("WEIGHER", "pack").lstrip()
SPREAD = PLAIN.replace("WEIGHER", "spread").lstrip()
LOOSE = "capacity: {overcommit: {cpu: 1.5, disk: 1.1}, reserve: {memory: 100MiB}, headroom: {hosts: %d}}\n"
RULE = "  - {type: expr, name: few, require: '%s'}\nweighers:"
TEXTS = {
    "pack": PACK,
    "spread with room for a lost host": SPREAD + LOOSE % 1,
    "pack with room for two lost hosts": PACK + LOOSE % 2,
    "few on a host": PACK.replace("weighers:", RULE % "host.vms < 4"),
    "few on a host, with room for a lost one": PACK.replace("weighers:", RULE % "host.vms < 4") + LOOSE % 1,
    "busy after a while": SPREAD.replace("weighers:", RULE % "host.used_vcpus <= 9 or vm.vcpus > 3"),
    "apart": PACK + "groups:\n  - {selector: {label: app}, rule: anti-affinity, scope: host, mode: hard}\n",
    "spread over racks": PACK + "groups:\n  - {selector: {label: app}, rule: spread, scope: rack, mode: hard}\n",
    "together": SPREAD + "groups:\n  - {selector: {label: app}, rule: affinity, scope: zone, mode: hard}\n",
}
POLICIES = {name: read_policy(text) for name, text in TEXTS.items()} | {
    name: SHELF.get(name) for name in ("balanced", "spread-ha", "energy-first", "licence-pool")
}


def placed_in_turn(policy: Policy, hosts: Sequence[HostView], request: Request) -> tuple[int, int]:
    """How many vms the plain reference places before it refuses one, and on how many hosts."""
    table, used = HostTable(hosts), set[str]()
    for number in count():
        host = choose(replace(request, id=f"{request.id}-{number}"), table.hosts(), policy, 0).host
        if not host:
            return number, len(used)
        used.add(host)
        table.claim(table.row(host), request)
    raise AssertionError("a count has no end")


@pytest.mark.parametrize("name", POLICIES)
@given(hosts=any_fleet, request=any_request, size=st.integers(3, 9))
@settings(max_examples=12, deadline=None)
def test_what_fits_is_what_placing_one_after_the_other_tells(
    name: str, hosts: tuple[HostView, ...], request: Request, size: int
) -> None:
    larger = replace(request, vcpus=max(size, request.vcpus), disk_gib=max(10 * size, request.disk_gib))
    (found,) = what_fits(POLICIES[name], hosts, {"some": larger})
    assert (found.count, found.hosts) == placed_in_turn(POLICIES[name], hosts, larger)
    assert not found.at_least


@pytest.mark.parametrize("name", POLICIES)
@given(hosts=any_fleet, request=any_request)
@settings(max_examples=12, deadline=None)
def test_what_is_filled_at_once_leaves_nothing_to_be_placed(
    name: str, hosts: tuple[HostView, ...], request: Request
) -> None:
    table = HostTable(hosts)
    fill(POLICIES[name], table, replace(request, labels={}), lambda: False)
    assert not choose(replace(request, labels={}), table.hosts(), POLICIES[name], 0).host


def test_each_flavor_is_counted_alone_and_what_stops_it_is_told() -> None:
    hosts = (a_host("h1"), a_host("h2", used_vcpus=10))
    flavors = {"small": a_request(vcpus=2, memory_mib=1024), "large": a_request(vcpus=16)}
    small, large = what_fits(plain_policy("pack"), hosts, flavors)
    assert (small.count, small.hosts, small.stopped_by) == (8 + 3, 2, ("capacity",))
    assert (large.count, large.hosts, large.at_least) == (1, 1, False)
    (nothing,) = what_fits(plain_policy("pack"), hosts, {"x": a_request(hypervisor="nowhere")})
    assert (nothing.count, nothing.hosts, nothing.stopped_by) == (0, 0, ("hypervisor",))


def test_room_that_is_kept_for_a_lost_host_is_not_counted() -> None:
    hosts = [a_host(f"h{n}") for n in range(3)]
    (found,) = what_fits(read_policy(SPREAD + "capacity: {headroom: {hosts: 1}}\n"), hosts, {"small": a_request()})
    assert (found.count, "headroom" in found.stopped_by) == (32, True)


def test_counting_one_by_one_ends_when_its_time_is_over_and_says_so() -> None:
    policy, hosts = POLICIES["spread over racks"], [a_host(f"h{n}", rack=f"r{n}") for n in range(4)]
    flavors = {name: a_request(labels={"app": "web"}) for name in ("one", "two")}
    ticks = count()
    found = what_fits(policy, hosts, flavors, Bounds(seconds=20.0, clock=lambda: float(next(ticks))))
    assert all(fits.at_least and 0 < fits.count < 20 and not fits.stopped_by for fits in found)
    assert all(fits.at_least and fits.count == 3 for fits in what_fits(policy, hosts, flavors, Bounds(most=3)))


def test_a_vm_that_takes_nothing_is_counted_up_to_a_bound() -> None:
    (found,) = what_fits(POLICIES["pack"], [a_host()], {"air": Request("x", 0, 0, 0)}, Bounds(most=50))
    assert (found.count, found.at_least) == (50, True)
