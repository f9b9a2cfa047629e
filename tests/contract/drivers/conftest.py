# SPDX-License-Identifier: Apache-2.0
"""Every driver, each on a hypervisor of its own, under one set of promises."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deploy.local.servers.libvirtd import Libvirtd
from services.common.contracts.survey import FoundKind
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import Driver, DriverSettings
from services.hostagent.drivers.datastore_settings import Store
from tests.contract.drivers.stories import SUBNETS
from tests.support.hypervisor import PLATFORM, private_libvirtd
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import DATASTORE, SECOND, Vcsim, vcsim

# The datastore that every bench has beside its own disk; what its hypervisor calls it.
FAST = "fast"
_PLACES = {"fake": "", "libvirt": "nvme", "vsphere": SECOND}


@dataclass
class Bench:
    """A driver under test, what it saw, and a way to open another one on the same hypervisor."""

    driver: Driver
    directory: Path
    reopen: Callable[[str], Driver]
    seen: list[tuple[str, str]] = field(default_factory=list)
    resyncs: list[bool] = field(default_factory=list)


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[Libvirtd]:
    """One with a storage pool, defined and not running, beside what drivers make."""
    with private_libvirtd() as server, tempfile.TemporaryDirectory(prefix="ik-pool-") as pool:
        defined = server.virsh("pool-define-as", _PLACES["libvirt"], "dir", "--target", pool)
        assert defined.returncode == 0, defined.stderr
        yield server


@pytest.fixture(scope="session")
def vcenter() -> Iterator[Vcsim]:
    """A simulated one with a port group for every network that tests name: on vSphere these are found, not made."""
    with vcsim("-datastores", "2") as server:
        administrator = Administrator(server)
        administrator.add_port_groups(["default", "inner", *(f"n{n}" for n in SUBNETS)])
        administrator.close()
        yield server


@pytest.fixture(params=["fake", "libvirt", "vsphere"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    uri = request.getfixturevalue("libvirtd").url if request.param == "libvirt" else ""
    vsphere = request.getfixturevalue("vcenter").settings(datastore=DATASTORE) if request.param == "vsphere" else {}
    directory = Path(tempfile.mkdtemp(prefix="ik-"))
    opened: list[Driver] = []

    def reopen(platform: str = PLATFORM) -> Driver:
        curve = (1.0,) * 11
        settings = DriverSettings(directory, platform, uri, accelerator="tcg", power_curve=curve, vsphere=vsphere)
        settings = replace(settings, datastores=(Store(FAST, _PLACES[request.param], 50),))
        opened.append(open_driver(request.param, settings))
        return opened[-1]

    bench = Bench(reopen(), directory, reopen)
    bench.driver.watch(lambda vm, power: bench.seen.append((vm, power)), lambda: bench.resyncs.append(True))
    yield bench
    cleaner = reopen()
    for item in cleaner.inventory():
        cleaner.erase(item.vm)
    cleaner.keep_masters(())
    for volume in {one.id for one in cleaner.survey() if one.kind == FoundKind.VOLUME}:
        cleaner.drop_volume(volume)
    for driver in opened:
        driver.close()
    shutil.rmtree(directory, ignore_errors=True)
