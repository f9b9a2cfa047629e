# SPDX-License-Identifier: Apache-2.0
"""What somebody wants a vm to be from now on: its sizes looked up and checked, every problem found at once."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from services.api.intents.resolve import Size
from services.common.catalog import OsEntry
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.sizes import Sizes
from services.common.store.models import Vm

_FIGURES = ("vcpus", "memory_mib")


@dataclass(frozen=True)
class Wish:
    """The sizes asked for, and the flavor they are called by ("": none)."""

    sizes: Sizes
    flavor: str


def sizes_of(vm: Vm) -> Sizes:
    """The sizes that the vm was asked to have."""
    return Sizes(vm.spec["vcpus"], vm.spec["memory_mib"])


def wish(vm: Vm, asked: Mapping[str, Any], flavors: Mapping[str, Size], system: OsEntry | None) -> Wish:
    """What is asked for, made whole; raises Invalid naming each wrong field."""
    problems = list(_badly_put(asked, flavors))
    if problems:
        raise Invalid(problems[0].detail, problems)
    size = flavors.get(asked.get("flavor", ""))
    before = sizes_of(vm)
    given = asdict(Sizes(size.vcpus, size.memory_mib) if size else before)
    sizes = Sizes(**{**given, **{key: asked[key] for key in _FIGURES if key in asked}})
    found = Wish(sizes, size.name if size else "")
    problems = list(_unfit(vm, asked, found, system))
    if problems:
        raise Invalid(problems[0].detail, problems)
    return found


def _badly_put(asked: Mapping[str, Any], flavors: Mapping[str, Size]) -> Iterator[Problem]:
    given = [key for key in _FIGURES if key in asked]
    if "flavor" not in asked:
        if not given:
            yield Problem("/flavor", "no size is asked for", "give a flavor, or vcpus, memory_mib or both")
        return
    if given:
        detail = f"{given[0]} and flavor exclude each other"
        yield Problem(f"/{given[0]}", detail, "give the flavor, or the figures")
    if asked["flavor"] not in flavors:
        near = get_close_matches(asked["flavor"], list(flavors), 1, 0.5)
        fix = f"did you mean {near[0]!r}?" if near else "GET /v1/flavors lists them"
        yield Problem("/flavor", f"there is no flavor {asked['flavor']!r}", fix)


def _unfit(vm: Vm, asked: Mapping[str, Any], found: Wish, system: OsEntry | None) -> Iterator[Problem]:
    whole = "/flavor" if "flavor" in asked else ""
    if found.sizes == sizes_of(vm):
        yield Problem(whole or f"/{next(iter(asked))}", "the vm has these sizes already", "ask for other ones")
    if system is None:
        return
    least = (("vcpus", system.min_vcpus, "CPUs"), ("memory_mib", system.min_memory_mib, "MiB of memory"))
    for key, needs, unit in least:
        has = asdict(found.sizes)[key]
        if has < needs:
            detail = f"{system.name} needs at least {needs} {unit}; this is {has}"
            yield Problem(whole or f"/{key}", detail, f"choose at least {needs}")
