# SPDX-License-Identifier: Apache-2.0
"""What a policy takes over from the one it extends: mappings key by key, lists and plain values as a whole.

`metadata` and `match` are each policy's own. A base is named with its version ("base@3"), which never changes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from services.scheduler.policy_text import Section, parse

Find = Callable[[str, int], str | None]  # the text of a policy of that name and version
Names = tuple[str, ...]
_OWN = frozenset({"metadata", "match"})
_REFERENCE = re.compile(r"^([^@\s]+)@([1-9]\d{0,6})$")
MAX_BASES = 8
_MERGED_DEPTH = 4  # of the deepest mapping of the language


@dataclass(frozen=True)
class Whole:
    """A policy's text with its bases; `texts` are all of them, its own first."""

    root: Section
    texts: tuple[str, ...]


def with_bases(text: str, source: str, find: Find) -> Whole:
    """The policy as if everything it extends were written in it. Raises Invalid for what can't be read at all."""
    own = parse(text, source)
    node, texts, chain = own.node, [text], [_reference(own)]
    current = own
    while (wanted := _extends(current)) and isinstance(node, yaml.MappingNode):
        base = _base(own, current, wanted, chain, find)
        if base is None:
            break
        current = parse(base, wanted)
        texts.append(base)
        chain.append(wanted)
        node = _merged(current.node, node, 0)
    return Whole(Section(node, "", own.problems), tuple(texts))


def _reference(root: Section) -> str:
    metadata = root.peek("metadata")
    return f"{metadata.peek_text('name')}@{metadata.peek_text('version')}"


def _extends(root: Section) -> str:
    return root.peek("metadata").peek_text("extends")


def _base(own: Section, current: Section, wanted: str, chain: list[str], find: Find) -> str | None:
    """The text that `current` extends; None, and a problem of the policy that is read, where it can't be had."""
    metadata = own.peek("metadata")
    named = _REFERENCE.match(wanted)
    text = find(named[1], int(named[2])) if named else None
    via = "" if current is own else f" (which {chain[-1]} extends)"
    if named is None:
        metadata.problem("extends", f"{wanted!r} has no version{via}", "write it like base@3")
    elif wanted in chain:
        metadata.problem("extends", f"it goes round: {' extends '.join([*chain, wanted])}", "extend another policy")
    elif len(chain) > MAX_BASES:
        metadata.problem("extends", f"more than {MAX_BASES} policies extend each other", "write some of it out")
    elif text is None:
        metadata.problem("extends", f"there is no policy {wanted!r}{via}", "name one that is there, with its version")
    else:
        return text
    return None


def _merged(base: yaml.Node, own: yaml.Node, depth: int) -> yaml.Node:
    if not (isinstance(base, yaml.MappingNode) and isinstance(own, yaml.MappingNode)) or depth == _MERGED_DEPTH:
        return own
    theirs = {k.value: (k, v) for k, v in base.value if isinstance(k, yaml.ScalarNode)}
    mine = {k.value for k, _ in own.value if isinstance(k, yaml.ScalarNode)}
    skipped = _OWN if depth == 0 else frozenset()
    kept = [pair for name, pair in theirs.items() if name not in mine and name not in skipped]
    merged = [
        (k, v if k.value not in theirs or k.value in skipped else _merged(theirs[k.value][1], v, depth + 1))
        if isinstance(k, yaml.ScalarNode)
        else (k, v)
        for k, v in own.value
    ]
    return yaml.MappingNode(own.tag, kept + merged, own.start_mark, own.end_mark)
