# SPDX-License-Identifier: Apache-2.0
"""The agent's `datastores` mapping, checked whole: what each is called here, and what it is on the hypervisor. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.common.contracts.datastores import MOST, NAME, NAME_FIX, DatastoreKind
from services.common.contracts.errors import HostFailed

# The word for a datastore's place, by driver; the fake's are nowhere.
_PLACE: Mapping[str, str] = {"libvirt": "pool", "vsphere": "datastore", "fake": ""}
_KINDS = (DatastoreKind.DIRECTORY, DatastoreKind.NFS, DatastoreKind.LVM)
_SIZE, _KIND = "size_gib", "kind"


@dataclass(frozen=True)
class Store:
    """A datastore by its name here; `place` is what the hypervisor calls it."""

    name: str
    place: str = ""
    size_gib: int = 0  # what is offered of it; 0: all there is
    kind: str = DatastoreKind.DIRECTORY  # of a fake one


def datastore_problems(data: Any, driver: str) -> list[str]:
    """All that is wrong with the mapping, each line naming its key."""
    if data is None:
        return []
    if not isinstance(data, dict):
        return ["datastores: give a mapping of names to what they stand for"]
    problems = [f"datastores: {len(data)} are more than {MOST}"] if len(data) > MOST else []
    for name, told in data.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            problems.append(f"datastores: {name!r} is no name; give {NAME_FIX}")
        else:
            problems += [f"datastores.{name}{problem}" for problem in _problems(told, driver)]
    return problems or _twice(data, driver)


def read_stores(data: Mapping[str, Any], driver: str) -> tuple[Store, ...]:
    """The checked mapping, by name."""
    return tuple(
        Store(name, told.get(_PLACE[driver], ""), told.get(_SIZE, 0), told.get(_KIND, DatastoreKind.DIRECTORY))
        for name, told in sorted(data.items())
    )


def store_called(stores: Iterable[Store], name: str) -> Store:
    """The one of that name; HostFailed with the names there are."""
    known = {store.name: store for store in stores}
    if name not in known:
        raise HostFailed(f"there is no datastore {name!r} on this host; there are {listed(known)}")
    return known[name]


def listed(names: Iterable[str]) -> str:
    """Names for a sentence."""
    return ", ".join(sorted(map(repr, names))) or "none"


def _problems(told: Any, driver: str) -> list[str]:
    place = _PLACE[driver]
    known = (place, _SIZE) if place else (_SIZE, _KIND)
    if not isinstance(told, dict):
        return [f": give a mapping with {', '.join(known)}"]
    problems = [f".{key}: unknown key; known are {', '.join(known)}" for key in told if key not in known]
    if place and not (isinstance(told.get(place), str) and told[place]):
        problems.append(f".{place}: missing: the name that the hypervisor has for it")
    size = told.get(_SIZE, 1 if place else None)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 2**31:
        problems.append(f".{_SIZE}: {size!r} is no number of GiB")
    if told.get(_KIND, _KINDS[0]) not in _KINDS:
        problems.append(f".{_KIND}: {told[_KIND]!r} is none of {', '.join(_KINDS)}")
    return problems


def _twice(data: Mapping[str, Any], driver: str) -> list[str]:
    places = [told[_PLACE[driver]] for told in data.values() if _PLACE[driver]]
    twice = sorted({place for place in places if places.count(place) > 1})
    return [f"datastores: {place!r} stands under two names; its room would be promised twice" for place in twice]
