# SPDX-License-Identifier: Apache-2.0
"""A survey reads hypervisor and files anew: it finds what a driver has made, and what nobody remembers."""

import pytest

from services.common.contracts.errors import HostFailed
from services.common.contracts.survey import Found, FoundKind
from services.hostagent.drivers.base import Capability, Owner, Power
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.stories import a_network
from tests.support.hypervisor import PLATFORM, a_vm, network, plan


def deployed(bench: Bench) -> str:
    vm = a_vm()
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 1), {})
    return vm


def of(bench: Bench, kind: str) -> list[Found]:
    return [found for found in bench.driver.survey() if found.kind == kind]


def test_a_vm_is_found_with_its_directory_and_its_network_and_none_of_its_disks_is_unused(bench: Bench) -> None:
    vm = deployed(bench)
    assert of(bench, FoundKind.VM) == [Found(FoundKind.VM, plan(vm).name, vm)]
    assert [found.vm for found in of(bench, FoundKind.DIRECTORY)] == [vm]
    made = Capability.NAT in bench.driver.capabilities  # others find networks, and own none
    assert (network().id in [found.id for found in of(bench, FoundKind.NETWORK)]) == made
    assert of(bench, FoundKind.DISK) == []


def test_after_an_erase_nothing_of_the_vm_is_found(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.erase(vm)
    left = {FoundKind.VM, FoundKind.DIRECTORY, FoundKind.DISK, FoundKind.PORT, FoundKind.SNAPSHOT, FoundKind.VOLUME}
    assert [found for found in bench.driver.survey() if found.kind in left] == []


def test_files_that_nobody_uses_are_found(bench: Bench) -> None:
    vm, gone, volume = deployed(bench), a_vm(), a_vm()
    (bench.directory / "vms" / vm / "old-0.qcow2").touch()
    (bench.directory / "vms" / gone).mkdir()
    (bench.directory / "vms" / "no-id").mkdir()
    (bench.directory / "ports" / "0123456789abcdef").touch()
    (bench.directory / "volumes" / f"{volume}.qcow2").touch()
    found = bench.driver.survey()
    if bench.driver.name != "vsphere":  # whose disks lie elsewhere
        assert Found(FoundKind.DISK, f"vms/{vm}/old-0.qcow2", vm) in found
    assert Found(FoundKind.DIRECTORY, f"vms/{gone}", gone) in found
    assert Found(FoundKind.DIRECTORY, "vms/no-id", "no-id") in found
    assert Found(FoundKind.PORT, "ports/0123456789abcdef") in found
    assert Found(FoundKind.VOLUME, f"volumes/{volume}.qcow2", "", volume) in found
    (bench.directory / "vms" / "no-id").rmdir()


def test_what_another_platform_made_is_none_of_ours(bench: Bench) -> None:
    deployed(bench)
    names = [found.kind for found in bench.reopen("another-platform").survey()]
    assert FoundKind.VM not in names
    assert FoundKind.NETWORK not in names or bench.driver.name == "fake"  # whose networks have no owner


def test_a_network_that_is_dropped_is_gone_unless_a_vm_is_plugged_into_it(bench: Bench) -> None:
    if Capability.NAT not in bench.driver.capabilities:
        bench.driver.drop_network("net-any")  # it makes none, so there is none to remove
        return
    own = a_network()
    for _ in range(2):
        bench.driver.ensure_network(own)
        assert own.id in [found.id for found in of(bench, FoundKind.NETWORK)]
        for _ in range(2):
            bench.driver.drop_network(own.id)
        assert own.id not in [found.id for found in of(bench, FoundKind.NETWORK)]
    bench.reopen("another-platform").drop_network(network().id)


def test_a_network_with_a_vm_on_it_is_not_dropped_on_libvirt(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    if bench.driver.name == "libvirt":
        with pytest.raises(HostFailed, match="plugged into"):
            bench.driver.drop_network(network().id)
    assert bench.driver.power(vm) == Power.ON
