# SPDX-License-Identifier: Apache-2.0
"""Reads a policy from YAML, whole: every problem is reported at once, with line and column."""

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.placement import Request
from services.scheduler.capacity import Amounts, Capacity
from services.scheduler.filters import ESSENTIAL, FILTERS
from services.scheduler.filters import LATER as LATER_FILTERS
from services.scheduler.policy import Policy, Weighted
from services.scheduler.policy_text import MAX_BYTES, Section, parse, refused
from services.scheduler.rule import Filter, Weigher
from services.scheduler.units import DISK, MEMORY
from services.scheduler.weighers import LATER as LATER_WEIGHERS
from services.scheduler.weighers import WEIGHERS

SHIPPED = Path(__file__).parent / "policies"
DEFAULT = "balanced"
_LATER = frozenset({"match", "groups", "on_no_host", "power"})
_TIE_BREAK = ("fewest_vms", "host_id")


def load_policy(path: Path) -> Policy:
    """The policy in a file; raises Invalid that names the file and everything wrong in it."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("/", f"can't be read: {error}", "name a readable file in UTF-8")
        raise refused(str(path), [problem]) from error
    return read_policy(text, str(path))


def read_policy(text: str, source: str = "text") -> Policy:
    """The policy that `text` describes; its sha256 is that of the text."""
    root = parse(text, source)
    root.text("apiVersion", choices=("scheduler/v1",))
    root.text("kind", choices=("PlacementPolicy",))
    for key in ("apiVersion", "kind", "metadata", "filters", "weighers"):
        if not root.has(key):
            root.problem("", f"{key!r} is missing", "see docs/scheduling.md for a whole policy")
    name, version = _metadata(root.section("metadata"))
    capacity = _capacity(root.section("capacity"))
    filters = _filters(root, capacity)
    weighers = _weighers(root, capacity)
    root.text("normalise", "absolute", ("absolute",))
    if root.words("tie_break", _TIE_BREAK, _TIE_BREAK) != _TIE_BREAK:
        root.problem("tie_break", "only one order is supported", f"write [{', '.join(_TIE_BREAK)}], or leave it out")
    explain = root.section("explain")
    top = int(explain.number("top", 5, 1, 50))
    explain.finish(later={"keep"})
    root.finish(_LATER)
    root.problems.raise_any()
    return Policy(name, version, sha256(text.encode()).hexdigest(), capacity, filters, weighers, top)


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
    name, version = section.text("name"), int(section.number("version", 0, 1, 1_000_000))
    if not section.has("name"):
        section.problem("name", "the policy has no name", "name it")
    if not section.has("version"):
        section.problem("version", "the policy has no version", "number it from 1")
    section.finish(later={"extends"})
    return name, version


def _capacity(section: Section) -> Capacity:
    over, reserve = section.section("overcommit"), section.section("reserve")
    cpu, memory, disk = (over.number(key, 1.0, 0.1, 64) for key in ("cpu", "memory", "disk"))
    kept = Amounts(
        int(reserve.number("cpu", 0, 0, 4096)),
        int(reserve.measure("memory", 0, MEMORY, 2**30)),
        int(reserve.measure("disk", 0, DISK, 2**30)),
    )
    if not section.flag("allow_memory_overcommit") and memory > 1:
        over.problem("memory", "promises more memory than there is", "use 1.0, or set allow_memory_overcommit: true")
    over.finish()
    reserve.finish()
    section.finish(later={"headroom"})
    return Capacity(cpu, memory, disk, kept)


def _filters(root: Section, capacity: Capacity) -> tuple[Filter, ...]:
    found: dict[str, Filter] = {}
    for entry in root.sections("filters"):
        kind = _type(entry, FILTERS, LATER_FILTERS, found)
        if kind:
            found[kind] = FILTERS[kind].read(entry, capacity)
            entry.finish()
    for missing in (name for name in ESSENTIAL if name not in found and root.has("filters")):
        detail = f"the filter {missing!r} is missing: what it guards would be ignored"
        root.problem("filters", detail, f"add - {{type: {missing}}}")
    return tuple(found.values())


def _weighers(root: Section, capacity: Capacity) -> tuple[Weighted, ...]:
    found: dict[str, Weighted] = {}
    for entry in root.sections("weighers"):
        kind = _type(entry, WEIGHERS, LATER_WEIGHERS, found)
        if kind:
            multiplier = entry.number("multiplier", 1.0, -100, 100)
            if not multiplier:
                entry.problem("multiplier", "0 makes the weigher say nothing", "remove the weigher, or give it weight")
            weigher: Weigher = WEIGHERS[kind].read(entry, capacity)
            found[kind] = Weighted(multiplier, weigher)
            entry.finish()
    if {"pack", "spread"} <= found.keys() and found["pack"].multiplier * found["spread"].multiplier > 0:
        root.problem("weighers", "pack and spread pull in opposite directions", "keep one of them")
    if not found and root.has("weighers"):
        root.problem("weighers", "there is no weigher: every host would be worth the same", "add one")
    return tuple(found.values())


def _type(entry: Section, known: Collection[str], later: Collection[str], found: Collection[str]) -> str:
    """The entry's type; "" (and a problem) where it can't be used."""
    kind = entry.text("type")
    if kind in known and kind not in found:
        return kind
    choices = f"use one of: {', '.join(known)}"
    if kind in found:
        entry.problem("type", f"{kind!r} is listed twice", "keep one of them")
    elif kind in later:
        entry.problem("type", f"{kind!r} is not supported yet", choices)
    elif kind:
        entry.problem("type", f"{kind!r} is unknown", choices)
    elif not entry.has("type"):
        entry.problem("", "'type' is missing", choices)
    return ""
