# SPDX-License-Identifier: Apache-2.0
"""Datastores: places for volumes that a host has beside its own disk. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
NAME_FIX = "1 to 63 letters, digits, . _ and -, a letter or a digit at both ends"
MOST = 32  # of one host
_LONGEST_KIND = 64
Room = tuple[tuple[str, int], ...]  # (datastore, GiB), each once, by name


class DatastoreKind:
    """What a datastore is; hypervisors have others, which are told as they call them."""

    DIRECTORY = "directory"
    FILESYSTEM = "filesystem"
    NFS = "nfs"
    LVM = "lvm"
    VMFS = "vmfs"


@dataclass(frozen=True)
class Datastore:
    """One of a host's, by the name that its administrator gave it; other hosts may have one of the same name."""

    name: str
    kind: str
    size_gib: int
    grows: bool = True  # what lies on it can be made larger


def sound(told: Iterable[Datastore]) -> list[Datastore]:
    """Those that an agent told and that can be: no name twice, and none that nothing has."""
    found = {one.name: one for one in told if NAME.fullmatch(one.name) and 0 <= one.size_gib < 2**31}
    return [one for one in found.values() if len(one.kind) <= _LONGEST_KIND][:MOST]


def room_of(wanted: Iterable[tuple[str, int]]) -> Room:
    """How much these (datastore, GiB) ask of each datastore."""
    sums: Counter[str] = Counter()
    for name, gib in wanted:
        sums[name] += gib
    return tuple(sorted(sums.items()))
