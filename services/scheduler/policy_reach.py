# SPDX-License-Identifier: Apache-2.0
"""Parts of a policy that nothing can reach, among the policies, projects and hosts there are now."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from services.common.contracts.placement import HostView, Request
from services.scheduler.matching import ANY, Match, Matching, select
from services.scheduler.policy import Policy

Path = tuple[str | int, ...]
_NEW = "\0"  # a label's value that no policy names
_MOST = 10_000  # kinds of vms that are tried


@dataclass(frozen=True)
class Doubt:
    """A sentence, and which part of the text it is about."""

    at: Path
    sentence: str


def unreached(
    policy: Policy, beside: Sequence[Matching], projects: Collection[str], hosts: Sequence[HostView]
) -> tuple[Doubt, ...]:
    """`beside` are the policies that stand beside it once it is in force; `projects` the names of all there are."""
    others = [other for other in beside if other.name != policy.name and other.match.given]
    return (*_match(policy.match, others, projects), *_classes(policy, hosts))


def _match(match: Match, others: Sequence[Matching], projects: Collection[str]) -> Iterator[Doubt]:
    if not match.given:
        return
    at: Path = ("match",)
    named = [project for project in match.projects if project != ANY]
    if ANY in match.projects and named:
        yield Doubt(("match", "projects"), f"{named[0]!r} says nothing beside '*', which is every project")
    for project in sorted(set(named) - set(projects)):
        yield Doubt(("match", "projects"), f"there is no project {project!r}")
    equal = [o.name for o in others if o.match.rank == match.rank and o.match.meets(match)]
    if equal:
        yield Doubt(at, f"it can't be activated: {equal[0]!r} is for the same vms, and neither is more specific")
    before = _all_before(match, others, projects)
    if before:
        first = ", ".join(sorted({repr(name) for name in before}))
        yield Doubt(at, f"no vm can reach it: {first}, more specific, is for every vm that it is for")


def _all_before(match: Match, others: Sequence[Matching], projects: Collection[str]) -> set[str]:
    """The more specific policies that take everything it is for; empty where it is left something."""
    labels = {label: [_NEW if value == ANY else value for value in values] for label, values in match.labels.items()}
    there = [p for p in projects if not match.projects or ANY in match.projects or p in match.projects]
    combinations = len(there)
    for values in labels.values():
        combinations *= len(values)
    if combinations > _MOST:
        return set()
    found = set()
    for project, *chosen in product(there, *labels.values()):
        vm = Request("", 1, 1, 1, project=project, labels=dict(zip(labels, chosen, strict=True)))
        first = select([o for o in others if o.match.rank > match.rank], vm)
        if first is None:
            return set()
        found.add(first.name)
    return found


def _classes(policy: Policy, hosts: Sequence[HostView]) -> Iterator[Doubt]:
    """A class of hosts that all are of a class before it."""
    before: list[str] = []
    for n, host_class in enumerate(policy.capacity.classes):
        mine = [host for host in hosts if host_class.trait in host.traits]
        if mine and all(set(before) & set(host.traits) for host in mine):
            told = (
                f"every host with {host_class.trait!r} has {' or '.join(map(repr, before))} too, whose class is first"
            )
            yield Doubt(("capacity", "classes", n), told)
        before.append(host_class.trait)
