# SPDX-License-Identifier: Apache-2.0
"""The drivers by name. A driver's library is imported only by the agent that uses it."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from services.hostagent.drivers.base import Driver, DriverSettings

DRIVERS: Mapping[str, str] = {
    "fake": "services.hostagent.drivers.fake.driver:FakeDriver",
    "libvirt": "services.hostagent.drivers.libvirt.driver:LibvirtDriver",
    "vsphere": "services.hostagent.drivers.vsphere.driver:VsphereDriver",
}


def open_driver(name: str, settings: DriverSettings) -> Driver:
    """The driver of that name, connected; raises HostFailed when its hypervisor can't be reached."""
    module, _, attribute = DRIVERS[name].partition(":")
    make = cast("Callable[[DriverSettings], Driver]", getattr(import_module(module), attribute))
    return make(settings)
