# SPDX-License-Identifier: Apache-2.0
"""What each driver can do, as the drivers declare it."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from services.hostagent.drivers import DRIVERS
from services.hostagent.drivers.base import Capability, Driver

MEANINGS: Mapping[str, str] = {
    Capability.NAT: "networks behind the host's address",
    Capability.ISOLATED: "networks that lead nowhere",
    Capability.BRIDGE: "networks that are a bridge (or port group) of the host",
    Capability.NETWORK_VLAN: "networks with a VLAN tag",
    Capability.ANTI_SPOOF: "a guest can use no other's addresses",
    Capability.DIRECT_KERNEL: "a kernel is booted without a boot loader",
    Capability.DISK_IMAGE: "a disk begins as an image: vendors' cloud images",
    Capability.UEFI: "guests that boot by UEFI",
    Capability.TPM: "a TPM 2.0 of the vm's own",
    Capability.SECURE_BOOT: "UEFI that starts signed systems only",
    Capability.ISO_OVERLAY: "an installer's drive holds a vendor's medium with a few sectors of our own",
    Capability.GUEST_CHANNEL: "the guest speaks through a port of its own; without, by HTTPS",
    Capability.CONSOLE_LOG: "the end of the serial console can be read",
    Capability.SCREENSHOT: "the screen can be seen",
    Capability.RESET: "`reset`",
    Capability.SUSPEND: "`suspend`, `resume`",
    Capability.RESIZE_OFF: "`resize`, at the next start at the latest",
    Capability.RESIZE_HOT_CPU: "more processors while it runs",
    Capability.RESIZE_HOT_MEMORY: "more memory while it runs",
    Capability.SNAPSHOT: "snapshots: make, revert, delete",
    Capability.SNAPSHOT_MEMORY: "snapshots with the memory of a vm that runs",
    Capability.SNAPSHOT_LIVE_DISKS: "snapshots of the disks alone of a vm that runs",
    Capability.SNAPSHOT_UEFI: "snapshots of a vm with UEFI",
    Capability.VOLUME_ATTACH: "volumes: attach, detach",
    Capability.VOLUME_HOT: "the same while it runs",
    Capability.VOLUME_GROW: "volumes are made larger",
    Capability.NIC_ATTACH: "NICs: attach, detach",
    Capability.NIC_HOT: "the same while it runs",
    Capability.REBUILD: "`rebuild`",
    Capability.CLONE_FULL: "clones with disks of their own",
    Capability.CLONE_LINKED: "clones over the disks of another",
    Capability.CLONE_LINKED_LARGER: "the same, with a larger disk",
}


def words() -> set[str]:
    """Every word for a capability."""
    return {value for base in Capability.__mro__ for name, value in vars(base).items() if name.isupper()}


def classes() -> Mapping[str, type[Driver]]:
    """Every driver's class."""
    found = {}
    for name, place in DRIVERS.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found


def head() -> Sequence[str]:
    """The first line of the table."""
    return ("capability", "what it is", *classes())


def rows() -> Iterator[Sequence[str]]:
    """A line for each capability."""
    drivers = classes().values()
    for word, meaning in MEANINGS.items():
        yield (f"`{word}`", meaning, *(_mark(driver, word) for driver in drivers))


def _mark(driver: type[Driver], word: str) -> str:
    if word in driver.capabilities:
        return "yes"
    return "where the host has it" if word in driver.by_host else ""
