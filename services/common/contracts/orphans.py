# SPDX-License-Identifier: Apache-2.0
"""What nobody owns: a host's survey, and the rows that hold something, compared with the vms there are. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.common.contracts.states import VmState
from services.common.contracts.survey import Found, FoundKind


@dataclass(frozen=True)
class KnownVm:
    """A vm's row, as far as it says what may be where."""

    name: str
    state: str
    host: str
    busy: bool  # a job works on it
    deleted_at: float | None


@dataclass(frozen=True)
class Held:
    """A row that holds something for a vm: a claim, an address, a snapshot."""

    kind: str
    name: str
    vm: str
    host: str = ""  # "" where it isn't on one


@dataclass(frozen=True)
class Known:
    """What the platform knows. `things` are the ids of what isn't a vm's own: networks, volumes, snapshots, by kind."""

    vms: Mapping[str, KnownVm]
    held: tuple[Held, ...] = ()
    things: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True)
class Orphan:
    """Something that nobody owns, where it is, and why that is thought."""

    kind: str
    name: str
    host: str
    vm: str
    reason: str


def on_host(host: str, found: Iterable[Found], known: Known, asked_at: float) -> Iterator[Orphan]:
    """What a host has that no vm of it owns. What changed since it was asked is nobody's fault."""
    for one in found:
        reason = _unowned(host, one, known, asked_at)
        if reason:
            yield Orphan(one.kind, one.name, host, one.vm, reason)


def in_rows(known: Known, asked_at: float) -> Iterator[Orphan]:
    """What rows hold for vms that aren't there any more, or are elsewhere."""
    for row in known.held:
        vm = known.vms.get(row.vm)
        reason = _gone(vm, asked_at)
        if not reason and vm is not None and not vm.busy and row.host and vm.host != row.host:
            reason = f"vm {vm.name} is on another host"
        if reason:
            yield Orphan(row.kind, row.name, row.host, row.vm, reason)


def _unowned(host: str, one: Found, known: Known, asked_at: float) -> str:
    if one.kind == FoundKind.MASTER:
        return "its host keeps that master no more"
    if one.id:
        return _unknown(one, known)
    vm = known.vms.get(one.vm)
    reason = _gone(vm, asked_at)
    if reason or vm is None or vm.busy:
        return reason
    if vm.host != host:
        return f"vm {vm.name} is on another host"
    if one.kind in (FoundKind.DISK, FoundKind.PORT):
        return f"the definition of vm {vm.name} doesn't use it"
    return ""


def _unknown(one: Found, known: Known) -> str:
    """Of a thing with a life of its own; while a job works on its vm nothing is said of it."""
    vm = known.vms.get(one.vm)
    if one.id in (known.things or {}).get(one.kind, frozenset()) or (vm is not None and vm.busy):
        return ""
    return f"no {one.kind} of this platform has this id"


def _gone(vm: KnownVm | None, asked_at: float) -> str:
    """Why the vm can own nothing; "" where it may."""
    if vm is None:
        return "there is no such vm"
    if vm.busy or (vm.deleted_at is not None and vm.deleted_at > asked_at):
        return ""
    if vm.deleted_at is not None:
        return f"vm {vm.name} was deleted"
    return f"vm {vm.name} could not be made" if vm.state == VmState.FAILED else ""
