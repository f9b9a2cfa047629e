# SPDX-License-Identifier: Apache-2.0
"""A policy is read whole; what is wrong in it is told at once, with line and column."""

from hashlib import sha256
from pathlib import Path

import pytest

from services.common.contracts.errors import Invalid
from services.scheduler.capacity import Amounts
from services.scheduler.filters.state import StateFilter
from services.scheduler.policy_file import SHIPPED, Shelf, load_policy, read_policy
from services.scheduler.units import DURATION, MEMORY, POWER, quantity
from tests.support.placing import PLAIN

GOOD = PLAIN.replace("WEIGHER", "cpu").lstrip()


def problems(text: str) -> dict[str, str]:
    """What is wrong with the text, by pointer."""
    with pytest.raises(Invalid) as raised:
        read_policy(text)
    found: dict[str, str] = {}
    for p in raised.value.problems:
        found[p.pointer] = " & ".join(filter(None, [found.get(p.pointer), p.detail]))
    return found


@pytest.mark.parametrize("name", ["balanced", "energy-first", "licence-pool", "spread-ha"])
def test_shipped_policies_are_good_and_named_as_their_files(name: str) -> None:
    policy = load_policy(SHIPPED / f"{name}.yaml")
    assert policy.name == name
    assert policy.sha256 == sha256((SHIPPED / f"{name}.yaml").read_bytes()).hexdigest()


def test_balanced_is_active_unless_a_file_is_given(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(GOOD)
    assert Shelf().active.name == "balanced"
    shelf = Shelf(mine)
    assert (shelf.get().name, shelf.get("spread-ha").name) == ("plain", "spread-ha")
    with pytest.raises(Invalid, match="no policy 'best'") as raised:
        shelf.get("best")
    assert "energy-first" in raised.value.problems[0].fix


def test_units_are_read() -> None:
    text = GOOD.replace("type: state", "type: state, max_heartbeat_age: 2m")
    policy = read_policy(text + "capacity:\n  reserve: {cpu: 2, memory: 8GiB, disk: 1TiB}\n")
    assert policy.capacity.reserve == Amounts(2, 8192, 1024)
    state = policy.filters[0]
    assert isinstance(state, StateFilter)
    assert state.max_heartbeat_age_s == 120
    assert (quantity("512 MiB", MEMORY), quantity("1.5h", DURATION), quantity("2kW", POWER)) == (512, 5400, 2000)


def test_every_problem_is_told_with_line_and_column() -> None:
    text = GOOD.replace("type: cpu", "type: cpu, multiplier: lots, colour: red").replace("kind: Pl", "kind: Dis")
    assert problems(text + "capcity: {}\n") == {
        "/kind": "line 2, column 7: 'DisacementPolicy' is unknown",
        "/weighers/0/multiplier": "line 12, column 29: a number is expected here",
        "/weighers/0/colour": "line 12, column 35: unknown key 'colour'",
        "/capcity": "line 13, column 1: unknown key 'capcity'",
    }


@pytest.mark.parametrize(
    ("old", "new", "pointer", "detail"),
    [
        ("name: plain, ", "", "/metadata/name", "has no name"),
        ("name: plain", "name: a b", "/metadata/name", "no name for a policy"),
        ("version: 1}", "version: 1, extends: base}", "/metadata/extends", "'base' has no version"),
        ("version: 1}", "version: 1, extends: base@3}", "/metadata/extends", "there is no policy 'base@3'"),
        ("version: 1}", "version: 1.5}", "/metadata/version", "not a whole number"),
        ("version: 1}", "version: !!int x}", "/", "the tag"),
        ("version: 1}", "version: 1" + "0" * 400 + "}", "/metadata/version", "is no number"),
        ("type: cpu", "type: cpu, multiplier: -1", "/weighers/0/multiplier", "would prefer the worst hosts"),
        ("type: cpu", "type: failures, multiplier: 3", "/weighers/0/multiplier", "would prefer hosts with failures"),
        ("type: cpu", "type: cost, zones: {a: -1}", "/weighers/0/zones/a", "out of range"),
        ("weighers:", "normalise: zscore\nweighers:", "/normalise", "'zscore' is unknown"),
        ("weighers:", "tie_break: [fewest_vms]\nweighers:", "/tie_break", "must end at what no two hosts share"),
        ("weighers:", "tie_break: {random: {among_top: 1}}\nweighers:", "/tie_break/random/among_top", "out of range"),
        ("weighers:", "groups: [{rule: spread}]\nweighers:", "/groups/0/selector", "no label is named"),
        ("weighers:", "groups: [{selector: {label: a}}]\nweighers:", "/groups/0", "'rule' is missing"),
        (
            "weighers:",
            "groups: [{selector: {label: a}, rule: spread, multiplier: 2}]\nweighers:",
            "/groups/0/multiplier",
            "has no weight",
        ),
        (
            "weighers:",
            "groups: [{selector: {label: a}, rule: spread}, {selector: {label: a}, rule: affinity}]\nweighers:",
            "/groups/1",
            "stands against spread/a/host",
        ),
        ("weighers:", "capacity: {headroom: {hosts: -1}}\nweighers:", "/capacity/headroom/hosts", "out of range"),
        ("weighers:", "capacity: {reserve: {memory: 64G}}\nweighers:", "/capacity/reserve/memory", "MiB, GiB, TiB"),
        ("weighers:", "capacity: {classes: [{}]}\nweighers:", "/capacity/classes/0", "'trait' is missing"),
        (
            "weighers:",
            "capacity: {classes: [{trait: gpu, overcommit: {memory: 2}}]}\nweighers:",
            "/capacity/classes/0/overcommit/memory",
            "more memory than there is",
        ),
        ("weighers:", "on_no_host: {preempt: always}\nweighers:", "/on_no_host/preempt", "'always' is unknown"),
        ("weighers:", "power: {sleep_after_idle: 20m}\nweighers:", "/power/sleep_after_idle", "never be woken"),
        ("weighers:", "match: {labels: {tier: dev}}\nweighers:", "/match/labels/tier", "a list of words"),
        ("type: zone}", "type: zone}\n  - {type: expr, require: vm.vcpus}", "/filters/4", "'name' is missing"),
        ("type: cpu", "type: magic", "/weighers/0/type", "'magic' is unknown"),
        ("type: cpu", "type: cpu, multiplier: 0", "/weighers/0/multiplier", "say nothing"),
        ("type: cpu", "type: cpu, multiplier: .nan", "/weighers/0/multiplier", "out of range"),
        ("  - {type: zone}\n", "", "/filters", "filter 'zone' is missing"),
        ("  - {type: zone}\n", "  - {type: zone}\n  - {type: zone}\n", "/filters/4/type", "listed twice"),
        ("type: state", "type: state, allow: [up, flying]", "/filters/0/allow", "'flying' is unknown"),
        ("type: state", "type: state, max_heartbeat_age: 30", "/filters/0/max_heartbeat_age", "units here are ms, s"),
        ("kind: P", "kind: x\nkind: P", "/kind", "given twice"),
        ("weighers:", "capacity: {overcommit: {memory: 2}}\nweighers:", "/capacity/overcommit/memory", "more memory"),
        ("weighers:", "capacity: {reserve: {memory: 8GB}}\nweighers:", "/capacity/reserve/memory", "MiB, GiB, TiB"),
        ("weighers:\n  - {type: cpu}\n", "weighers: []\n", "/weighers", "there is no weigher"),
        ("weighers:\n  - {type: cpu}\n", "", "", "'weighers' is missing"),
    ],
)
def test_what_would_mislead_is_refused(old: str, new: str, pointer: str, detail: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new))
    assert detail in found[pointer or "/"]


def test_pack_and_spread_together_are_refused() -> None:
    text = GOOD + "  - {type: pack}\n  - {type: spread}\n"
    assert "opposite directions" in problems(text)["/weighers"]
    read_policy(GOOD + "  - {type: pack}\n  - {type: spread, multiplier: -1}\n")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "empty"),
        ("a: [1", "line 1, column 6"),
        ("- 1", "a mapping is expected"),
        ("a: &x 1\nb: [" + "*x, " * 17 + "]", "more than 16 aliases"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper"),
        ("a: " + "x" * 70_000, "larger than"),
        ("a: &a [*a]", "a"),
        ("a: \x00", "special characters are not allowed"),
    ],
)
def test_text_that_is_no_policy_is_refused_before_it_can_hurt(text: str, detail: str) -> None:
    assert any(detail in found for found in problems(text).values())


def test_tags_construct_nothing() -> None:
    found = problems(GOOD.replace("name: plain", "name: !!python/object/apply:os.system [true]"))
    assert "python/object/apply:os.system' is not admitted" in found["/"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"missing\.yaml"):
        load_policy(tmp_path / "missing.yaml")
