# SPDX-License-Identifier: Apache-2.0
"""A vCenter for all tests of this folder, and drivers on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.common.contracts.commands import NicPlan
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.hostagent.drivers.base import DriverSettings
from services.hostagent.drivers.datastore_settings import Store
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.support.hypervisor import PLATFORM
from tests.support.scratch import short_directory
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import STANDARD, Vcsim, vcsim

Opened = Callable[..., VsphereDriver]


@pytest.fixture(scope="session")
def server() -> Iterator[Vcsim]:
    with vcsim() as running:
        yield running


@pytest.fixture
def administrator(server: Vcsim) -> Iterator[Administrator]:
    somebody = Administrator(server)
    yield somebody
    somebody.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as found:
        yield found


@pytest.fixture
def opened(server: Vcsim, directory: Path) -> Iterator[Opened]:
    """Opens drivers on the server; what they made is gone afterwards."""
    drivers: list[VsphereDriver] = []

    def make(platform: str = PLATFORM, stores: tuple[Store, ...] = (), **changes: str) -> VsphereDriver:
        settings = DriverSettings(directory, platform, power_curve=(1.0,) * 11, vsphere=server.settings(**changes))
        drivers.append(VsphereDriver(replace(settings, datastores=stores)))
        return drivers[-1]

    yield make
    for driver in drivers:
        for item in driver.inventory():
            driver.erase(item.vm)
        driver.keep_masters(())
        driver.close()


@pytest.fixture
def driver(opened: Opened) -> VsphereDriver:
    return opened()


def port_group(name: str = STANDARD) -> NetworkPlan:
    """One of the port groups there are."""
    return NetworkPlan(id=f"net-{name}", name="office", kind=NetworkKind.BRIDGE, bridge=name)


def nic(name: str = STANDARD, mac: str = "52:54:00:00:00:01") -> NicPlan:
    """A NIC on it."""
    return NicPlan(mac, port_group(name))
