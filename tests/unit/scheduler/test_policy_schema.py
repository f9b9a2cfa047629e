# SPDX-License-Identifier: Apache-2.0
"""The schema for editors says what the reader says: it is made by it, and takes and refuses the same policies."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.contracts.errors import Invalid
from services.scheduler.policy_file import SHIPPED, read_policy
from services.scheduler.policy_schema import written
from tests.unit.scheduler.test_policy_page import EXAMPLES, HEAD

FILE = Path(__file__).resolve().parents[3] / "docs" / "policy.schema.json"
SCHEMA = json.loads(FILE.read_text(encoding="utf-8"))
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
SAID = {"$schema", "title", "description", "default", "additionalProperties"}
TEXTS = [file.read_text() for file in sorted(SHIPPED.glob("*.yaml"))] + [
    text if text.startswith("apiVersion") else HEAD + text for text in EXAMPLES
]


def wrong(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where the value isn't what the schema says; a keyword that isn't known here breaks the test."""
    for word, told in schema.items():
        if word == "type" and not TYPES[told](value):
            yield f"{at}: no {told}"
            return
        if word not in SAID and not holds(word, told, value):
            yield f"{at}: {word}"
    if isinstance(value, dict):
        other = schema.get("additionalProperties", {})
        for key, part in value.items():
            found = schema.get("properties", {}).get(key, other)
            yield from [f"{at}/{key}: unknown"] if found is False else wrong(part, found, f"{at}/{key}")
    elif isinstance(value, list) and "items" in schema:
        for n, part in enumerate(value):
            yield from wrong(part, schema["items"], f"{at}/{n}")


def holds(word: str, told: Any, value: Any) -> bool:
    rules: dict[str, Callable[[], bool]] = {
        "type": lambda: True,
        "properties": lambda: True,
        "items": lambda: True,
        "enum": lambda: value in told,
        "const": lambda: value == told,
        "minimum": lambda: value >= told,
        "maximum": lambda: value <= told,
        "minItems": lambda: len(value) >= told,
        "pattern": lambda: re.search(told, value) is not None,
        "required": lambda: not isinstance(value, dict) or set(told) <= value.keys(),
        "anyOf": lambda: any(not list(wrong(value, one)) for one in told),
    }
    return rules[word]()


def read(policy: Any) -> bool:
    try:
        read_policy(yaml.safe_dump(policy, sort_keys=False))
    except Invalid:
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def test_the_file_is_what_the_reader_makes_of_itself() -> None:
    remedy = "python -m services.scheduler.policy_schema docs/policy.schema.json"
    assert FILE.read_text(encoding="utf-8") == written(), remedy


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_shipped_and_shown_is_taken(text: str) -> None:
    assert list(wrong(yaml.safe_load(text), SCHEMA)) == []


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_key_can_be_misspelt_and_no_value_be_of_a_wrong_kind(text: str) -> None:
    whole = yaml.safe_load(text)
    for path in places(whole):
        changed = copy.deepcopy(whole)
        part = changed
        for key in path:
            part = part[key]
        if not isinstance(part, dict) or path in ((), ("metadata",)) or path[-2:-1] == ("zones",):
            continue
        if path[-1] in ("labels", "zones"):  # any word is a key there
            continue
        part["mispelt"] = 1
        assert (list(wrong(changed, SCHEMA)) != [], read(changed)) == (True, False), path


@pytest.mark.parametrize(
    "part",
    [
        {"apiVersion": "scheduler/v2"},
        {"metadata": {"name": "x"}},
        {"metadata": {"name": "x", "version": 0}},
        {"metadata": {"name": "x", "version": 1}, "filters": None},
        {"capacity": {"reserve": {"memory": "64G"}}},
        {"capacity": {"overcommit": {"cpu": 65}}},
        {"capacity": {"headroom": {"hosts": 1.5}}},
        {"capacity": {"allow_memory_overcommit": "perhaps"}},
        {"groups": [{"selector": {"label": "a"}}]},
        {"groups": [{"selector": {"label": "a"}, "rule": "near"}]},
        {"weighers": [{"type": "best"}]},
        {"weighers": [{"multiplier": 1}]},
        {"normalise": "zscore"},
        {"tie_break": ["luck"]},
        {"tie_break": {"random": {"among_top": 1}}},
        {"power": {"wake_by": ["shouting"]}},
        {"on_no_host": {"retry": {"deadline": 600}}},
        {"match": {"projects": []}},
    ],
    ids=str,
)
def test_what_the_reader_refuses_by_itself_the_schema_refuses(part: dict[str, Any]) -> None:
    good = yaml.safe_load(TEXTS[0])
    changed = {key: value for key, value in (good | part).items() if value is not None}
    assert read(good)
    assert not read(changed)
    assert list(wrong(changed, SCHEMA)) != []
