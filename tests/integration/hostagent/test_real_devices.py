# SPDX-License-Identifier: Apache-2.0
"""The hardware Windows asks for, under a real libvirtd: defined, running, and gone with the vm. No Windows is near."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.servers.libvirtd import Libvirtd
from services.common.catalog import systems
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import Capability, Driver, DriverSettings, Owner, Power
from tests.support.hypervisor import PLATFORM, a_vm, plan, private_libvirtd
from tests.support.missing import missing


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[Libvirtd]:
    with private_libvirtd() as server:
        yield server


@pytest.fixture
def driver(libvirtd: Libvirtd, tmp_path: Path) -> Iterator[Driver]:
    opened = open_driver("libvirt", DriverSettings(tmp_path, PLATFORM, libvirtd.url, accelerator="tcg"))
    yield opened
    opened.close()


def test_a_real_emulator_starts_without_cx16_where_the_row_can_do_without(driver: Driver, libvirtd: Libvirtd) -> None:
    vm = a_vm()
    wanted = replace(plan(vm, "trixie", memory_mib=256), devices=systems()["debian-13"].devices)
    driver.ensure_network(wanted.nics[0].network)
    driver.deploy(wanted, Owner(PLATFORM, vm, 1), {})
    driver.start(vm)
    running = libvirtd.virsh("dumpxml", wanted.name).stdout
    assert "<feature policy='disable' name='cx16'/>" in running
    driver.erase(vm)


@pytest.mark.parametrize("row", ["windows-server-2022", "windows-11"])
def test_a_vm_with_the_rows_hardware_runs_and_leaves_nothing(driver: Driver, libvirtd: Libvirtd, row: str) -> None:
    if shutil.which("swtpm") is None or shutil.which("swtpm_setup") is None:
        missing("swtpm and swtpm_setup; install: apt-get install swtpm swtpm-tools")
    devices = systems()[row].devices
    assert set(devices.needs) <= set(driver.facts().capabilities)
    vm = a_vm()
    wanted = replace(plan(vm, "win", firmware="uefi", memory_mib=256), devices=devices)
    driver.ensure_network(wanted.nics[0].network)
    driver.deploy(wanted, Owner(PLATFORM, vm, 1), {})
    driver.start(vm)
    assert driver.power(vm) == Power.ON
    running = libvirtd.virsh("dumpxml", wanted.name).stdout
    assert ("<tpm model='tpm-crb'>" in running) == (Capability.TPM in devices.needs)
    assert ("secure='yes'" in running) == (Capability.SECURE_BOOT in devices.needs)
    driver.erase(vm)
    assert driver.power(vm) == Power.ABSENT
    assert wanted.name not in libvirtd.virsh("list", "--all", "--name").stdout
