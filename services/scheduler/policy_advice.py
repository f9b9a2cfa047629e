# SPDX-License-Identifier: Apache-2.0
"""What is doubtful about a policy among the hosts there are now: it may be used, but perhaps not as it was meant."""

from collections.abc import Iterator, Sequence

from services.common.contracts.placement import HostView, Request
from services.scheduler.expressions.tree import Call, Literal, Node, Word
from services.scheduler.filters.expression import ExpressionFilter
from services.scheduler.policy import Policy
from services.scheduler.weighers.cost import CostWeigher

_PLAIN = Request("", 1, 64, 1)  # a vm that asks for as little as can be


def advice(policy: Policy, hosts: Sequence[HostView]) -> tuple[str, ...]:
    """A sentence for each doubt; none without hosts, of which nothing can be said."""
    if not hosts:
        return ()
    among = policy.among(_PLAIN, hosts)
    return tuple(
        [
            *_shut(among, hosts),
            *_silent(among, hosts),
            *_traits(policy, hosts),
            *_zones(policy, hosts),
            *_few(policy, hosts),
        ]
    )


def _shut(policy: Policy, hosts: Sequence[HostView]) -> Iterator[str]:
    for rule in policy.filters:
        refusals = [rule.refuse(_PLAIN, host) for host in hosts]
        if None not in refusals:
            reason = next(r.reason for r in refusals if r is not None)
            yield f"no host passes the filter {rule.name!r} now: {hosts[0].name} {reason}"


def _silent(policy: Policy, hosts: Sequence[HostView]) -> Iterator[str]:
    """Weighers that tell no two hosts apart; those of groups aren't for every vm."""
    groups = {group.name for group in policy.groups}
    for weighted in policy.weighers:
        name = weighted.weigher.name
        if len(hosts) > 1 and name not in groups and len({weighted.weigher.norm(_PLAIN, h) for h in hosts}) == 1:
            yield f"the weigher {name!r} says the same of every host now"


def _traits(policy: Policy, hosts: Sequence[HostView]) -> Iterator[str]:
    had = {trait for host in hosts for trait in host.traits}
    for host_class in policy.capacity.classes:
        if host_class.trait not in had:
            yield f"no host has the trait {host_class.trait!r} of a class in capacity"
    for rule in policy.filters:
        if isinstance(rule, ExpressionFilter):
            for trait in sorted({*_asked(rule.when), *_asked(rule.require)} - had):
                yield f"no host has the trait {trait!r} that {rule.name!r} asks for"


def _asked(node: Node) -> Iterator[str]:
    """The traits of hosts that a condition looks for by their names."""
    if isinstance(node, Call) and node.op == "in" and isinstance(node.args[1], Word) and node.args[1].of == "host":
        if node.args[1].name == "traits" and isinstance(node.args[0], Literal):
            yield str(node.args[0].value)
    elif isinstance(node, Call):
        for part in node.args:
            yield from _asked(part)


def _zones(policy: Policy, hosts: Sequence[HostView]) -> Iterator[str]:
    there = {host.zone for host in hosts}
    for weighted in policy.weighers:
        if isinstance(weighted.weigher, CostWeigher):
            for zone in sorted(weighted.weigher.zones.keys() - there):
                yield f"no host is in the zone {zone!r} that 'cost' has a price for"


def _few(policy: Policy, hosts: Sequence[HostView]) -> Iterator[str]:
    if policy.headroom >= len(hosts):
        yield f"headroom for {policy.headroom} of {len(hosts)} hosts leaves room for no vm at all"
