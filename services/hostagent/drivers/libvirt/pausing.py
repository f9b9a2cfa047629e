# SPDX-License-Identifier: Apache-2.0
"""Standing still and going on, and why a vm does the former. libvirt refuses what is so already; we don't."""

import libvirt

from services.hostagent.drivers.base import Power
from services.hostagent.drivers.libvirt.lifecycle import power_of
from services.hostagent.drivers.libvirt.vendor_errors import code


def suspend(domain: libvirt.virDomain) -> None:
    """Stop its processors; its memory stays where it is."""
    try:
        domain.suspend()
    except libvirt.libvirtError as error:
        if not _so_already(domain, error, Power.PAUSED):
            raise


def resume(domain: libvirt.virDomain) -> None:
    """Let its processors go on, whatever stopped them: people, or a disk that was full."""
    try:
        domain.resume()
    except libvirt.libvirtError as error:
        if not _so_already(domain, error, Power.ON):
            raise


def why_paused(domain: libvirt.virDomain) -> str:
    """What stopped its processors, where that was a disk: QEMU stops a guest whose disk has no room left."""
    state, reason = domain.state()
    if (state, reason) != (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR):
        return ""
    failed = domain.diskErrors(0)
    full = sorted(disk for disk, error in failed.items() if error == libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE)
    if full:
        return f"there is no room left where its disk {', '.join(full)} lies; make room, then resume it"
    return f"reading or writing its disk {', '.join(sorted(failed)) or '(which one is not told)'} failed"


def _so_already(domain: libvirt.virDomain, error: libvirt.libvirtError, power: str) -> bool:
    return code(error) == libvirt.VIR_ERR_OPERATION_INVALID and power_of(*domain.state()) == power
