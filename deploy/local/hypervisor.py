# SPDX-License-Identifier: Apache-2.0
"""The libvirtd of this stack: chosen once at `up`, remembered, and ended only if it is ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from deploy.local import machine_libvirt
from deploy.local.files import read_json, write_json
from deploy.local.home import Home
from deploy.local.kvm_probe import probe
from deploy.local.servers import Libvirtd


@dataclass(frozen=True)
class Hypervisor:
    """Where guests run. `own` says that the libvirtd is private to this stack."""

    uri: str
    own: bool
    why: str
    accel: str
    accel_reason: str


def recorded(home: Home) -> Hypervisor | None:
    """What the last `up` chose."""
    data = read_json(home.libvirt_file, None)
    return None if data is None else Hypervisor(**data)


def private(home: Home) -> Libvirtd:
    """The stack's own libvirtd, whether it runs or not."""
    known = recorded(home)
    return Libvirtd(home.server("libvirtd"), kvm=known is not None and known.accel == "kvm")


def ensure(home: Home) -> Hypervisor:
    """A libvirtd that answers: the one chosen before while it does, else the machine's if usable, else our own."""
    accel = probe(home.root / "cache" / "kvm.json")
    known = recorded(home)
    if known is not None and known.own and private(home).ready():
        return known
    own = Libvirtd(home.server("libvirtd"), kvm=accel.kind == "kvm")
    has_guests = (home.server("libvirtd") / "etc" / "qemu").exists()
    choice = machine_libvirt.choose(accel, home.root / "state")
    if choice.uri is None or has_guests:  # guests of an earlier `up` live in our own
        own.start()
        found = Hypervisor(own.url, True, choice.why, accel.kind, accel.reason)
    else:
        found = Hypervisor(choice.uri, False, choice.why, accel.kind, accel.reason)
    write_json(home.libvirt_file, asdict(found))
    return found


def release(home: Home, purge: bool) -> str:
    """End our own libvirtd, with `purge` its guests too; says what happened. The machine's own is never ended."""
    own = private(home)
    if purge:
        own.purge()
        left = _purge_machine(home)
        home.libvirt_file.unlink(missing_ok=True)
        return f"removed every virtual machine of this stack{left}"
    if own.alive():
        own.stop()
        return "ended libvirtd; virtual machines go on (PURGE=1 removes them)"
    return ""


def _purge_machine(home: Home) -> str:
    """On the machine's own libvirtd, remove the guests whose files lie in this stack's directory."""
    known = recorded(home)
    if known is None or known.own:
        return ""
    names = machine_libvirt.guests_with_files_in(home.root)
    for name in names:
        machine_libvirt.remove_guest(name)
    return f" ({len(names)} on the machine's libvirtd)"
