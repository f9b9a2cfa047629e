# SPDX-License-Identifier: Apache-2.0
"""A condition that has been checked: what there is to run. Each node knows of which kind its value is."""

from dataclasses import dataclass

from services.scheduler.expressions.words import Kind


@dataclass(frozen=True)
class Node:
    """A part of a condition."""

    kind: Kind


@dataclass(frozen=True)
class Literal(Node):
    """A value written in the policy: numbers are floats, lists are tuples."""

    value: float | str | bool | tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Word(Node):
    """`of` is "vm", "host" or "labels"."""

    of: str
    name: str


@dataclass(frozen=True)
class Call(Node):
    """`op` of the arguments: an operator's sign, "and", "or", "not", "in", or a function's name."""

    op: str
    args: tuple[Node, ...]


def words_of(node: Node) -> frozenset[tuple[str, str]]:
    """Everything named in it."""
    if isinstance(node, Word):
        return frozenset({(node.of, node.name)})
    parts = node.args if isinstance(node, Call) else ()
    return frozenset().union(*(words_of(part) for part in parts))
