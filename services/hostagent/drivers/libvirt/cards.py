# SPDX-License-Identifier: Apache-2.0
"""Cards on libvirt: known by their MAC, plugged in and out of the definition and of the machine that runs."""

from pathlib import Path

import libvirt

from services.common.contracts.commands import NicPlan
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.libvirt.domains import Domains
from services.hostagent.drivers.libvirt.interface_xml import another_interface, interface_of, seed_of, with_file
from services.hostagent.drivers.libvirt.plugging import CONFIG, definition, layers, plug, unplug

# A system may have locked the drive's door: it reads its seed when it is new, and never later.
_FORCE = libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE


def attach_nic(domains: Domains, conn: libvirt.virConnect, vm: str, nic: NicPlan) -> None:
    """See Driver.attach_nic."""
    domain = domains.need(conn, vm)
    device = another_interface(nic, definition(domain, CONFIG))
    hit("agent.before-attach-nic")
    plug(domain, device, lambda xml: interface_of(xml, nic.mac))
    hit("agent.after-attach-nic")


def detach_nic(domains: Domains, conn: libvirt.virConnect, vm: str, mac: str) -> None:
    """See Driver.detach_nic."""
    domain = domains.find(conn, vm)
    hit("agent.before-detach-nic")
    if domain is not None:
        unplug(domain, lambda xml: interface_of(xml, mac), f"card {mac}")
    hit("agent.after-detach-nic")


def change_seed(domains: Domains, conn: libvirt.virConnect, vm: str, seed: Path) -> None:
    """See Driver.change_seed."""
    domain = domains.need(conn, vm)
    old: set[Path] = set()
    for flag in layers(domain):
        drive, had = seed_of(definition(domain, flag))
        if drive and had != seed:
            domain.updateDeviceFlags(with_file(drive, seed), flag | _FORCE)
            old.add(had)
    for path in old:
        if path.parent == seed.parent:  # it was made for this vm alone
            path.unlink(missing_ok=True)
