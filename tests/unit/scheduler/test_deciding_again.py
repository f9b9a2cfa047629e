# SPDX-License-Identifier: Apache-2.0
"""What was decided is decided again from what is kept of it, to the last bit; what isn't kept is named."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from services.common.contracts.codec import dump
from services.common.contracts.placement import HostView, Request
from services.scheduler import seen
from services.scheduler.choose import choose
from services.scheduler.deciding_again import OTHERS, decided_again
from services.scheduler.policy import Policy
from services.scheduler.policy_file import read_policy
from tests.support.fleets import any_fleet, any_request
from tests.support.placing import CURVE, PLAIN, SHELF, a_host, a_request, plain_policy

HEADROOM = read_policy(PLAIN.replace("WEIGHER", "pack").lstrip() + "capacity: {headroom: {hosts: 1}}\n")
MINMAX = read_policy(PLAIN.replace("WEIGHER", "pack").lstrip() + "normalise: minmax\n")
POLICIES = {name: SHELF.get(name) for name in ("balanced", "energy-first", "spread-ha", "licence-pool")} | {
    "headroom": HEADROOM,
    "minmax": MINMAX,
}
HOSTS = (a_host("h1", power_curve=CURVE, vms=1, used_vcpus=3), a_host("h2"), a_host("h3", state="down"))


def kept(request: Request, hosts: tuple[HostView, ...], policy: Policy) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The decision and its hosts as they come out of the database."""
    decision = choose(request, hosts, policy, 7)
    told, rows = json.loads(json.dumps([dump(decision), seen.kept(seen.concerned(decision, hosts))]))
    return told, rows


@pytest.mark.parametrize("name", POLICIES)
@given(hosts=any_fleet, request=any_request)
@settings(max_examples=20, deadline=None)
def test_every_decision_is_decided_alike(name: str, hosts: tuple[HostView, ...], request: Request) -> None:
    told, rows = kept(request, hosts, POLICIES[name])
    again = decided_again(told, rows, POLICIES[name])
    assert again.differs == ()
    assert again.same is (True if rows else None)


def test_it_says_what_was_checked_and_what_is_left_open() -> None:
    again = decided_again(*kept(a_request(), HOSTS, SHELF.get("balanced")), SHELF.get("balanced"))
    assert {"filter 'capacity'", "term 'spread'", "watts", "the order of the runners-up"} <= set(again.checked)
    assert again.open == (OTHERS,)
    ahead = decided_again(*kept(a_request(), HOSTS, HEADROOM), HEADROOM)
    assert ahead.open == ("'headroom', which looks at all hosts", OTHERS)
    assert "term 'pack'" not in decided_again(*kept(a_request(), HOSTS, MINMAX), MINMAX).checked


def test_another_policy_than_it_was_is_seen_through() -> None:
    again = decided_again(*kept(a_request(), HOSTS, SHELF.get("balanced")), plain_policy("pack"))
    assert again.same is False
    assert again.differs[0].startswith("term 'pack' is ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"used_vcpus": 16}, "filter 'capacity' refuses h2: lacks 1 vCPUs"),
        ({"vms": 1, "used_memory_mib": 1}, "term 'spread' is "),
        ({"power_curve": CURVE}, "watts are "),
    ],
)
def test_a_host_that_was_changed_afterwards_is_seen_through(change: dict[str, Any], says: str) -> None:
    policy = plain_policy("spread")
    told, rows = kept(a_request(), HOSTS, policy)
    (host,) = seen.read(rows).values()
    again = decided_again(told, seen.kept([replace(host, **change)]), policy)
    assert again.same is False
    assert any(says in difference for difference in again.differs), again.differs


def test_a_refusal_is_checked_by_its_nearest_misses() -> None:
    policy, big = plain_policy("pack"), a_request(vcpus=17)
    told, rows = kept(big, HOSTS, policy)
    again = decided_again(told, rows, policy)
    assert (told["host"], again.same, again.checked) == ("", True, ("the nearest misses",))
    grown = seen.kept([replace(host, vcpus=64) for host in seen.read(rows).values()])
    assert "is not refused, and was told as: h" in decided_again(told, grown, policy).differs[0]


def test_a_decision_from_before_hosts_were_kept_is_left_open() -> None:
    told = dump(choose(a_request(), HOSTS, SHELF.get(), 7))
    again = decided_again(told, [], SHELF.get())
    assert (again.same, again.checked) == (None, ())
    assert "made before they were kept" in again.open[0]


def test_what_another_version_kept_is_refused_and_not_guessed() -> None:
    told, rows = kept(a_request(), HOSTS, SHELF.get())
    with pytest.raises(ValueError, match="colour"):
        decided_again(told, [{**rows[0], "colour": "red"}], SHELF.get())


def test_what_is_kept_of_a_host_is_all_of_it() -> None:
    host = a_host("h1", cpu_percent=0.0, watts=None, members={"app=x": 2}, traits=("gpu",), price_kwh=0.0)
    assert seen.read(json.loads(json.dumps(seen.kept([host])))) == {host.id: host}
