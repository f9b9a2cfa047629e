# SPDX-License-Identifier: Apache-2.0
"""Standing still and going on. libvirt refuses what is so already; we don't."""

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


def _so_already(domain: libvirt.virDomain, error: libvirt.libvirtError, power: str) -> bool:
    return code(error) == libvirt.VIR_ERR_OPERATION_INVALID and power_of(*domain.state()) == power
