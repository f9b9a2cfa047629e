# SPDX-License-Identifier: Apache-2.0
"""Devices that come and go in a vm's definition and, where it runs, in the machine itself."""

import time
from collections.abc import Callable, Sequence

import libvirt

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.libvirt.vendor_errors import code

CONFIG, LIVE = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE
LETS_GO_S = 20.0  # a guest's system is asked to give a device back, and may take its time
_LOOK_EVERY_S = 0.2
# The device is there already, or not there any more: somebody (a try before) was faster.
_GONE = (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INVALID_ARG)
Find = Callable[[str], str]  # from a whole definition to the device's own, "" where it has none


def definition(domain: libvirt.virDomain, flag: int) -> str:
    """The machine as it runs, or as it will be started next."""
    secure = libvirt.VIR_DOMAIN_XML_INACTIVE if flag == CONFIG else 0
    return str(domain.XMLDesc(secure))


def layers(domain: libvirt.virDomain) -> Sequence[int]:
    """Where a change is to be made: always in the definition, and in the machine where it runs."""
    return (CONFIG, LIVE) if domain.isActive() else (CONFIG,)


def plug(domain: libvirt.virDomain, device: str, find: Find) -> None:
    """Put a device in wherever it isn't yet."""
    for flag in layers(domain):
        if not find(definition(domain, flag)):
            domain.attachDeviceFlags(device, flag)


def unplug(domain: libvirt.virDomain, find: Find, what: str) -> None:
    """Take a device out wherever it is; HostFailed when the guest doesn't give it back."""
    for flag in reversed(layers(domain)):
        found = find(definition(domain, flag))
        if found:
            _detach(domain, found, flag, find)
            if flag == LIVE:
                _wait_until_gone(domain, find, what)


def _detach(domain: libvirt.virDomain, device: str, flag: int, find: Find) -> None:
    try:
        domain.detachDeviceFlags(device, flag)
    except libvirt.libvirtError as error:
        # Asked for twice, QEMU says that it is on its way; what has gone meanwhile is as it should be.
        waits = flag == LIVE and code(error) in _GONE and domain.isActive()
        if not waits and find(definition(domain, flag)):
            raise


def _wait_until_gone(domain: libvirt.virDomain, find: Find, what: str) -> None:
    deadline = time.monotonic() + LETS_GO_S
    while domain.isActive() and find(definition(domain, LIVE)):
        if time.monotonic() > deadline:
            raise HostFailed(
                f"the guest does not give {what} back within {LETS_GO_S:.0f} s; stop the vm, then try again"
            )
        time.sleep(_LOOK_EVERY_S)
