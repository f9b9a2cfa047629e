# SPDX-License-Identifier: Apache-2.0
"""Hosts that meet a condition written in the policy."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.expressions.reading import Misread, read_condition
from services.scheduler.expressions.running import OnRows, Plain, for_host, for_rows
from services.scheduler.expressions.tree import Literal, Node, words_of
from services.scheduler.expressions.words import Kind
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints

_ALWAYS = Literal(Kind.TRUTH, True)


@dataclass(frozen=True)
class ExpressionFilter(Filter):
    """Where `when` holds, `require` must. The text is what is told of it; `lasting` where no claim changes it."""

    name: str
    text: str
    when: Node
    require: Node
    _for_host: tuple[Plain, Plain] = field(init=False, compare=False, repr=False)
    _for_rows: tuple[OnRows, OnRows] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_for_host", (for_host(self.when), for_host(self.require)))
        object.__setattr__(self, "_for_rows", (for_rows(self.when), for_rows(self.require)))

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        name, text = section.text("name"), section.text("require")
        for key in ("name", "require"):
            if not section.has(key):
                section.problem("", f"{key!r} is missing", "write {type: expr, name: ..., require: ...}")
        return cls(name, text, condition(section, "when"), condition(section, "require"))

    @property
    def lasting(self) -> bool:
        """Whether it looks at nothing that a claim changes."""
        named = words_of(self.when) | words_of(self.require)
        return not any(of == "host" and (name == "vms" or name.startswith("used_")) for of, name in named)

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        when, require = self._for_host
        if not when(request, host) or require(request, host):
            return None
        return Refusal(f"doesn't meet {self.name}: {self.text}")

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        when, require = (run(request, table, rows) for run in self._for_rows)
        found = np.logical_or(np.logical_not(when), require)
        return np.broadcast_to(found, (len(rows),)).copy()


def condition(section: Section, key: str) -> Node:
    """The condition under the key, always true where it isn't given; problems are told at the place within it."""
    text = section.text(key)
    if not text:
        return _ALWAYS
    try:
        node = read_condition(text)
    except Misread as error:
        section.problem_within(key, error.at, f"{text[:60]!r} {error.detail}", error.fix)
        return _ALWAYS
    if not words_of(node):
        section.problem(key, f"{text[:60]!r} is always the same", "name something of vm or host, or leave it out")
    return node
