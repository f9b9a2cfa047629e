# SPDX-License-Identifier: Apache-2.0
"""The policy language as a JSON Schema, for editors; `python -m services.scheduler.policy_schema FILE` writes it.

Nothing of the language is written down here. The reader itself is run over a section that notes what it is asked for,
so the schema can't say anything else than the reader does. What only a whole policy shows stays the reader's matter.
"""

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from services.scheduler.filters import FILTERS
from services.scheduler.policy_file import policy_of
from services.scheduler.policy_text import Problems, Section
from services.scheduler.weighers import WEIGHERS

JsonDict = dict[str, Any]
ANY_NAME = "*"
_MISSING = re.compile(r"^'(\w+)' is missing$")
_KINDS: Mapping[str, Collection[str]] = {"/filters": tuple(FILTERS), "/weighers": tuple(WEIGHERS)}
_INHERITED = ("apiVersion", "kind", "filters", "weighers")  # may be the extended policy's


class Recording(Section):
    """A section of no text: whatever is asked for is noted.

    `given` is what it answers to "is that key there?", `listed` to "is it a list?"; `kind` is its own "type".
    """

    def __init__(self, pointer: str = "", given: bool = True, listed: bool = False, kind: str = "") -> None:
        super().__init__(yaml.MappingNode("", []), pointer, Problems("schema"))
        self._given, self._listed, self._kind = given, listed, kind
        self._properties: JsonDict = {}
        self._parts: dict[str, list[Recording]] = {}
        self.required: set[str] = set()

    def schema(self) -> JsonDict:
        """What was asked for."""
        found: JsonDict = {key: {"type": "string"} for key in sorted(self._known)} | self._properties
        for key, parts in self._parts.items():
            if f"{self.pointer}/{key}" in _KINDS or parts[0].pointer.endswith("/0"):
                shapes = [part.schema() for part in parts]
                found[key] = {"type": "array", "items": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}}
            else:
                found[key] = parts[-1].schema()
        other = found.pop(ANY_NAME, False)
        told: JsonDict = {"type": "object", "properties": found, "additionalProperties": other}
        return {**told, "required": sorted(self.required)} if self.required else told

    def problem(self, key: str, detail: str, fix: str) -> None:
        """Where nothing is given the reader complains of what must be."""
        missing = _MISSING.match(detail)
        if not self._given and (key or missing):
            self.required.add(key or (missing[1] if missing else ""))

    def has(self, key: str) -> bool:
        self._known.add(key)
        return self._given

    def names(self) -> tuple[str, ...]:
        return (ANY_NAME,)

    def is_list(self, key: str) -> bool:
        return self._listed

    def section(self, key: str) -> Section:
        return self._part(key, f"{self.pointer}/{key}")

    def sections(self, key: str) -> Iterator[Section]:
        for kind in _KINDS.get(f"{self.pointer}/{key}", ("",)):
            yield self._part(key, f"{self.pointer}/{key}/0", kind)

    def text(self, key: str, default: str = "", choices: Collection[str] = ()) -> str:
        if key == "type" and self._kind:
            self.required.add(key)
            return str(self._note(key, {"const": self._kind}, self._kind))
        shape = {"enum": sorted(choices)} if choices else {"type": "string"}
        return str(self._note(key, {**shape, **({"default": default} if default else {})}, default))

    def words(self, key: str, default: tuple[str, ...], choices: Collection[str] = ()) -> tuple[str, ...]:
        item = {"enum": sorted(choices)} if choices else {"type": "string"}
        self._note(key, {"type": "array", "minItems": 1, "items": item})
        return default

    def number(self, key: str, default: float, low: float, high: float) -> float:
        self._note(key, {"type": "number", "minimum": low, "maximum": high})
        return default

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        self._note(key, {"type": "integer", "minimum": low, "maximum": high})
        return default

    def measure(self, key: str, default: float, units: Mapping[str, float], high: float) -> float:
        pattern = rf"^\s*\d+(\.\d+)?\s*({'|'.join(units)})\s*$"
        self._note(key, {"type": "string", "pattern": pattern, "description": f"with a unit: {', '.join(units)}"})
        return default

    def flag(self, key: str) -> bool:
        self._note(key, {"type": "boolean", "default": False})
        return False

    def finish(self) -> None:
        """There is no key that nobody asked for."""

    def _note(self, key: str, shape: JsonDict, answer: object = None) -> object:
        self._known.add(key)
        self._properties[key] = shape
        return answer

    def _part(self, key: str, pointer: str, kind: str = "") -> "Recording":
        self._known.add(key)
        part = Recording(pointer, self._given, self._listed, kind)
        self._parts.setdefault(key, []).append(part)
        return part


def policy_schema() -> JsonDict:
    """The whole language."""
    whole, listed = _read(given=True), _read(given=True, listed=True)
    found = _joined(whole, listed)
    _require(found, _read(given=False))
    inherited = [key for key in found["required"] if key in _INHERITED]
    found["required"] = [key for key in found["required"] if key not in _INHERITED]
    extends = {"properties": {"metadata": {"required": ["extends"]}}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Placement policy",
        "description": "See docs/scheduling.md",
        **found,
        "anyOf": [{"required": inherited}, extends],
    }


def _read(given: bool, listed: bool = False) -> JsonDict:
    root = Recording(given=given, listed=listed)
    policy_of(root, "")
    return root.schema()


def _joined(one: JsonDict, other: JsonDict) -> JsonDict:
    """The first, with either form where the two differ."""
    ones, others = one["properties"], other["properties"]
    joined = {key: ones[key] if ones[key] == others[key] else {"anyOf": [ones[key], others[key]]} for key in ones}
    return {**one, "properties": joined}


def _require(found: JsonDict, bare: JsonDict) -> None:
    """Take over what the reader missed where nothing was given."""
    required = {*found.get("required", ()), *bare.get("required", ())}
    if required:
        found["required"] = sorted(required)
    for key in required:
        found["properties"][key].pop("default", None)
    for key, part in bare.get("properties", {}).items():
        if key in found.get("properties", {}):
            _require(found["properties"][key], part)
    if "items" in bare and "items" in found:
        parts = bare["items"].get("anyOf", [bare["items"]])
        for one, other in zip(found["items"].get("anyOf", [found["items"]]), parts, strict=True):
            _require(one, other)


def written() -> str:
    """The schema as the file holds it."""
    return json.dumps(policy_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
