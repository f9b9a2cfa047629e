# SPDX-License-Identifier: Apache-2.0
"""A survey: all that a host has which bears our mark or lies in our directories, whoever it belongs to.

An inventory lists what an agent works with; a survey reads the hypervisor and the file system anew, for the audit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.common.contracts.codec import dump, load

MOST = 20_000  # things in one survey; a host that has more says so
_LONGEST = 300


class FoundKind:
    """What can be found on a host."""

    VM = "vm"  # a definition on the hypervisor
    DIRECTORY = "directory"  # a vm's own
    DISK = "disk"  # a file in a vm's directory that its definition doesn't use
    PORT = "port"  # a guest port's socket of no vm that has a directory
    NETWORK = "network"
    VOLUME = "volume"
    SNAPSHOT = "snapshot"
    MASTER = "master"  # what one was made into on the hypervisor, where the host keeps that master no more


@dataclass(frozen=True)
class Found:
    """One thing. `vm` is whose it says it is, `name` what it is called there, `id` ours where it isn't a vm's."""

    kind: str
    name: str
    vm: str = ""
    id: str = ""


@dataclass(frozen=True)
class Survey:
    """What a host has; `note` says why something is missing."""

    found: tuple[Found, ...] = ()
    note: str = ""


def told(found: Sequence[Found], note: str = "") -> dict[str, Any]:
    """What a host says on its way up, within the bounds."""
    if len(found) > MOST:
        note = f"only {MOST} of {len(found)} things are told; {note}".rstrip("; ")
    return {"found": dump(list(found[:MOST])), "note": note[:_LONGEST]}


def read(data: Mapping[str, Any]) -> Survey:
    """What a host said, checked again; raises ValueError for what can't be."""
    found, note = data.get("found"), data.get("note", "")
    if not isinstance(found, list) or len(found) > MOST or not isinstance(note, str):
        raise ValueError("a survey has a list of things, and a note")
    things = [load(Found, one) for one in found]
    if any(len(text) > _LONGEST for one in things for text in (one.kind, one.name, one.vm, one.id)):
        raise ValueError("something found has a name that nothing has")
    return Survey(tuple(things), note[:_LONGEST])
