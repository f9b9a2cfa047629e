# SPDX-License-Identifier: Apache-2.0
"""Reads a policy from YAML, whole: every problem is reported at once, with line and column."""

import re
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.placement import Request
from services.scheduler.policy import Policy
from services.scheduler.policy_base import Find, with_bases
from services.scheduler.policy_parts import (
    read_capacity,
    read_explain,
    read_groups,
    read_match,
    read_on_no_host,
    read_power,
    read_tie_break,
)
from services.scheduler.policy_rules import read_filters, read_weighers
from services.scheduler.policy_text import MAX_BYTES, Section, parse, refused

SHIPPED = Path(__file__).parent / "policies"
DEFAULT = "balanced"
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{0,62}$")


def load_policy(path: Path) -> Policy:
    """The policy in a file; raises Invalid that names the file and everything wrong in it."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("/", f"can't be read: {error}", "name a readable file in UTF-8")
        raise refused(str(path), [problem]) from error
    return read_policy(text, str(path))


def shipped_text(name: str, version: int) -> str | None:
    """The text of a shipped policy; None where it isn't shipped in that version."""
    for file in sorted(SHIPPED.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        metadata = parse(text, str(file)).peek("metadata")
        if (metadata.peek_text("name"), metadata.peek_text("version")) == (name, str(version)):
            return text
    return None


def read_policy(text: str, source: str = "text", find: Find = shipped_text) -> Policy:
    """The policy that `text` describes; `find` has the texts it may extend.

    Its sha256 is that of the text or, where it extends others, of all the texts after each other.
    """
    whole = with_bases(text, source, find)
    return policy_of(whole.root, sha256("".join(whole.texts).encode()).hexdigest())


def policy_of(root: Section, sha: str) -> Policy:
    """The policy that this section describes. Raises Invalid with every problem there is."""
    root.text("apiVersion", choices=("scheduler/v1",))
    root.text("kind", choices=("PlacementPolicy",))
    for key in ("apiVersion", "kind", "metadata", "filters", "weighers"):
        if not root.has(key):
            root.problem("", f"{key!r} is missing", "see docs/scheduling.md for a whole policy")
    name, version = _metadata(root.section("metadata"))
    capacity, headroom = read_capacity(root.section("capacity"))
    groups = read_groups(root)
    filters = read_filters(root, capacity, headroom, groups)
    weighers = read_weighers(root, capacity, groups)
    top, keep_s = read_explain(root.section("explain"))
    policy = Policy(
        name,
        version,
        sha,
        capacity,
        filters,
        weighers,
        top,
        match=read_match(root.section("match")),
        groups=groups,
        headroom=headroom,
        normalise=root.text("normalise", "absolute", ("absolute", "minmax")),
        tie_break=read_tie_break(root),
        on_no_host=read_on_no_host(root.section("on_no_host")),
        power=read_power(root.section("power")),
        explain_keep_s=keep_s,
    )
    root.finish()
    root.problems.raise_any()
    return policy


class Shelf:
    """The shipped policies by name, and the active one: `path` where given, else the default."""

    def __init__(self, path: Path | None = None) -> None:
        shipped = {p.name: p for p in (load_policy(file) for file in sorted(SHIPPED.glob("*.yaml")))}
        self.active = load_policy(path) if path else shipped[DEFAULT]
        self._by_name = MappingProxyType({**shipped, self.active.name: self.active})

    def get(self, name: str = "") -> Policy:
        """The policy of that name, or the active one; raises Invalid that lists those there are."""
        if not name:
            return self.active
        if name not in self._by_name:
            known = ", ".join(sorted(self._by_name))
            raise Invalid(
                f"there is no policy {name!r}",
                [Problem("/policy", f"{name!r} is unknown", f"use one of: {known}; or leave it out")],
            )
        return self._by_name[name]

    def chosen(self, request: Request, name: str = "") -> Policy:
        """The policy that decides for this request: the one it names, else the one that is active for it."""
        return self.get(name)


def _metadata(section: Section) -> tuple[str, int]:
    name, version = section.text("name"), section.whole("version", 0, 1, 1_000_000)
    if not section.has("name"):
        section.problem("name", "the policy has no name", "name it")
    elif name and not _NAME.match(name):
        section.problem("name", f"{name[:70]!r} is no name for a policy", "use up to 63 of a-z, 0-9, - and .")
    if not section.has("version"):
        section.problem("version", "the policy has no version", "number it from 1")
    section.has("extends")
    section.finish()
    return name, version
