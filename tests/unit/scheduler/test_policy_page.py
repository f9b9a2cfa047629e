# SPDX-License-Identifier: Apache-2.0
"""What docs/scheduling.md shows of policies can be written just so."""

import re
from pathlib import Path

import pytest

from services.scheduler.expressions.words import HOST, VM
from services.scheduler.filters import FILTERS
from services.scheduler.policy_file import SHIPPED, read_policy
from services.scheduler.weighers import WEIGHERS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scheduling.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
HEAD = "apiVersion: scheduler/v1\nkind: PlacementPolicy\nmetadata: {name: shown, version: 1, extends: balanced@1}\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_a_policy_or_a_part_of_one(example: str) -> None:
    read_policy(example if example.startswith("apiVersion") else HEAD + example)


def test_every_word_of_the_language_is_on_the_page() -> None:
    words = {*FILTERS, *WEIGHERS, *VM, *HOST, *(file.stem for file in SHIPPED.glob("*.yaml"))}
    assert len(EXAMPLES) >= 6
    assert {word for word in words if not re.search(rf"\b{word}\b", PAGE)} == set()


def test_the_defaults_that_are_shown_are_the_defaults() -> None:
    shown, bare = read_policy(EXAMPLES[0]), EXAMPLES[0]
    for part in ("capacity", "normalise", "tie_break", "explain"):
        bare = re.sub(rf"^{part}:.*?(?=^\S|\Z)", "", bare, flags=re.S | re.M)
    left = read_policy(bare)
    assert (left.capacity, left.headroom, left.normalise) == (shown.capacity, shown.headroom, shown.normalise)
    assert (left.tie_break, left.top, left.explain_keep_s) == (shown.tie_break, shown.top, shown.explain_keep_s)
