# SPDX-License-Identifier: Apache-2.0
"""Texts made to hurt whoever reads them: each is refused with a place in it, soon, and nothing in it runs."""

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.errors import Invalid
from services.scheduler.policy_file import read_policy
from tests.support.placing import PLAIN

GOOD = PLAIN.replace("WEIGHER", "spread").lstrip()
LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcde", "bcdef", strict=True)
)

HOSTILE = {
    "alias bomb": LAUGHS,
    "a bomb within what merges": GOOD + "capacity: &c {overcommit: *c}\n",
    "a million keys": "".join(f"k{n}: 1\n" for n in range(1_000_000)),
    "many keys of little text": "".join(f"{n}:\n" for n in range(12_000)),
    "merge keys": GOOD + "power: {<<: {sleep_after_idle: 1m}}\n",
    "a key given twice": GOOD + "explain: {top: 1, top: 2}\n",
    "a key given twice in what is looked at first": GOOD.replace("version: 1", "version: 1, version: 2"),
    "not a number": GOOD + "capacity: {overcommit: {cpu: .nan}}\n",
    "infinity": GOOD + "capacity: {overcommit: {cpu: .inf}}\n",
    "negative": GOOD + "capacity: {reserve: {cpu: -1}}\n",
    "negative with a unit": GOOD + "capacity: {reserve: {memory: -1GiB}}\n",
    "a unit nobody knows": GOOD + "capacity: {reserve: {memory: 64G}}\n",
    "an object of Python": GOOD + "capacity: !!python/object/apply:os.system ['exit 1']\n",
    "a name of Python": GOOD.replace("kind: PlacementPolicy", "kind: !!python/name:os.system"),
    "an unknown tag": GOOD + "capacity: !secret {}\n",
    "a number that isn't": GOOD + "explain: {top: !!int ''}\n",
    "a number without end": GOOD + f"explain: {{top: {'9' * 5000}}}\n",
    "a date": GOOD + "explain: {top: 2026-01-01}\n",
    "two documents": GOOD + "---\n" + GOOD,
    "keys that are lists": GOOD + "? [a, b]\n: 1\n",
    "a bell": GOOD + "power: \x07\n",
    "half a character": GOOD + "power: \ud800\n",
    "tabs": GOOD + "power:\n\tsleep_after_idle: 1m\n",
    "unknown key": GOOD + "weights: {}\n",
    "deep nesting": GOOD + "power: " + "{a: " * 500 + "1" + "}" * 500,
    "a long line of brackets": "[" * 60_000,
    "itself as its base": GOOD.replace("version: 1", "version: 1, extends: plain@1"),
    "a base from the file system": GOOD.replace("version: 1", "version: 1, extends: ../../etc/passwd@1"),
    "lists where words are": GOOD.replace("type: zone", "type: [zone]"),
    "a list as the whole": "[]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_made_to_hurt_is_refused_in_little_time(text: str) -> None:
    before = time.process_time()
    with pytest.raises(Invalid) as raised:
        read_policy(text)
    assert raised.value.problems
    assert all(p.detail and p.fix and p.pointer for p in raised.value.problems)
    assert len(str(raised.value)) < 2_000_000
    assert time.process_time() - before < 5


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_policy_with_anything_anywhere_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    junk = st.sampled_from(
        [
            "[]",
            "{}",
            "null",
            "~",
            "1",
            "-1",
            ".nan",
            "'",
            '"',
            "&a x",
            "*a",
            "!!int x",
            "- x",
            ": ",
            "{a: b}",
            "\n",
            "64G",
            "@",
            "\u2028",
        ]
    )
    text = GOOD + data.draw(
        st.sampled_from(["", "power: ", "groups: ", "match: ", "tie_break: ", "on_no_host: ", "capacity: "])
    )
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(junk) + text[at + data.draw(st.integers(0, 12)) :]
    with suppress(Invalid):
        assert read_policy(text).filters
