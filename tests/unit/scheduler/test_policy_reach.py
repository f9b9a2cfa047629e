# SPDX-License-Identifier: Apache-2.0
"""What of a policy nothing can reach is told, and what can be reached is not."""

from dataclasses import dataclass, field, replace
from itertools import product
from random import Random

import pytest

from services.common.contracts.placement import Request
from services.scheduler.capacity import Capacity, HostClass, Share
from services.scheduler.matching import Match, select
from services.scheduler.policy import Policy
from services.scheduler.policy_reach import unreached
from services.scheduler.policy_text import line_of
from tests.support.placing import a_host, plain_policy

PROJECTS = ("a", "b")
PLAIN = plain_policy()


@dataclass(frozen=True)
class Other:
    """A policy that stands beside it."""

    name: str
    match: Match = field(default_factory=Match)


def told(match: Match, *others: Other) -> list[str]:
    return [doubt.sentence for doubt in unreached(replace(PLAIN, match=match), others, PROJECTS, ())]


def test_a_match_that_more_specific_ones_take_everything_from_is_told() -> None:
    everywhere = Match(("*",), {"tier": ("dev",)})
    mine, its = Other("for-a", Match(("a",))), Other("for-b", Match(("b",), {"tier": ("dev", "test")}))
    (sentence,) = told(everywhere, mine, its)
    assert sentence == "no vm can reach it: 'for-a', 'for-b', more specific, is for every vm that it is for"
    assert told(everywhere, mine) == []
    assert told(everywhere, mine, Other("for-b", Match(("b",), {"tier": ("test",)}))) == []
    assert told(everywhere, mine, Other("for-b", Match(("b",), {"app": ("*",)}))) == []
    both = Match(("*",), {"tier": ("dev", "test")})
    halves = [Other(f"{p}-{tier}", Match((p,), {"tier": (tier,)})) for p in PROJECTS for tier in ("dev", "test")]
    assert len(told(both, *halves)) == 1
    assert told(both, *halves[1:]) == []


def test_projects_that_are_not_there_or_say_nothing_are_told() -> None:
    assert told(Match(("c",))) == ["there is no project 'c'"]
    assert told(Match(("a", "*"))) == ["'a' says nothing beside '*', which is every project"]


def test_what_could_not_be_activated_is_told() -> None:
    (sentence,) = told(Match(("a", "b")), Other("other", Match(("b",))))
    assert sentence.startswith("it can't be activated: 'other'")
    assert told(Match(("a", "b")), Other(PLAIN.name, Match(("b",)))) == []  # an older version of itself


@pytest.mark.parametrize("seed", range(300))
def test_what_is_told_of_a_match_is_what_choosing_a_policy_does(seed: int) -> None:
    random = Random(seed)
    values = [(), ("dev",), ("test",), ("dev", "test"), ("*",)]

    def any_match() -> Match:
        labels = {label: chosen for label in ("tier", "app") if (chosen := random.choice(values))}
        return Match(random.choice([(), ("*",), ("a",), ("b",), ("a", "b")]), labels)

    match = replace(any_match(), projects=random.choice([("*",), ("a",), ("a", "b")]))
    others = [Other(str(n), any_match()) for n in range(4)]
    others = [other for other in others if other.match.given and other.match.rank != match.rank]
    doubts = [sentence for sentence in told(match, *others) if sentence.startswith("no vm can reach")]
    words = ("", "dev", "test", "new")  # a value that nobody names is as good as all others
    requests = [
        Request("vm", 1, 1, 1, project=project, labels={k: v for k, v in (("tier", tier), ("app", app)) if v})
        for project, tier, app in product(PROJECTS, words, words)
    ]
    me = Other("me", match)
    reached = [request for request in requests if select([me, *others], request) is me]
    assert bool(doubts) == (not reached) or not any(match.fits(request) for request in requests)


def test_a_class_of_hosts_that_all_are_of_an_earlier_one_is_told() -> None:
    classes = (HostClass("gpu", Share()), HostClass("big", Share()))
    policy: Policy = replace(PLAIN, capacity=Capacity(classes=classes))
    both, one = a_host("h1", traits=("gpu", "big")), a_host("h2", traits=("big",))
    (doubt,) = unreached(policy, (), PROJECTS, [both])
    assert doubt.at == ("capacity", "classes", 1)
    assert doubt.sentence == "every host with 'big' has 'gpu' too, whose class is first"
    assert unreached(policy, (), PROJECTS, [both, one]) == ()


def test_a_part_is_found_by_its_line() -> None:
    text = "a: 1\nmatch:\n  projects: [x]\nclasses:\n  - b\n  - {c: 1}\n"
    assert line_of(text, ("match", "projects")) == 3
    assert line_of(text, ("classes", 1)) == 6
    assert line_of(text, ("capacity", "classes", 1)) == 0
    assert line_of(text, ("classes", 7)) == 0
