# SPDX-License-Identifier: Apache-2.0
"""Reads the chart's values.yaml with its comments: what each value is called, means, may be, and is by default."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

_COMMENT = re.compile(r"\s*# -- (?P<text>.*?)(?: \[(?P<kind>[^\[\]]+)\])?")
_KEY = re.compile(r"(?P<indent> *)(?P<key>[\w./-]+):.*")


@dataclass(frozen=True)
class Value:
    """One value: `kind` is the word in brackets, "" where the default says enough."""

    path: tuple[str, ...]
    text: str
    kind: str
    default: Any


class UndescribedError(Exception):
    """A value has no comment."""


def read_values(source: str) -> list[Value]:
    """All values in the file's order; UndescribedError names those without a comment."""
    defaults = yaml.safe_load(source)
    found: list[Value] = []
    parents: list[tuple[int, str]] = []
    comment: re.Match[str] | None = None
    for line in source.splitlines():
        if told := _COMMENT.fullmatch(line):
            comment = told
        elif key := _KEY.fullmatch(line):
            indent = len(key["indent"])
            parents = [*(p for p in parents if p[0] < indent), (indent, key["key"])]
            path = tuple(name for _, name in parents)
            if comment:
                found.append(Value(path, comment["text"], comment["kind"] or "", _at(defaults, path)))
            comment = None
    missing = [".".join(path) for path in _leaves(defaults, {value.path for value in found})]
    if missing:
        raise UndescribedError(f"without a comment `# -- ...`: {', '.join(missing)}")
    return found


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def _leaves(tree: Any, known: set[tuple[str, ...]], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """What lies at no described path, nor below one."""
    if path in known:
        return []
    if not isinstance(tree, dict) or not tree:
        return [path]
    return [leaf for name, below in tree.items() for leaf in _leaves(below, known, (*path, name))]
