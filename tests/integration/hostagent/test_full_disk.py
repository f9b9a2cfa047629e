# SPDX-License-Identifier: Apache-2.0
"""A disk that runs full under a real guest: it stands still, it is told why, and it goes on once there is room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.contracts.commands import DiskPlan
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import Driver, DriverSettings, Owner, Power
from tests.support.hypervisor import PLATFORM, a_vm, plan, private_libvirtd
from tests.support.mini_guest import mini_guest
from tests.support.scratch import short_directory
from tests.support.waiting import until

WRITES = b"""#!/bin/sh
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
while read -r module; do insmod "/modules/$module"; done </modules/order
dd if=/dev/urandom of=/dev/vda bs=1M count=24
sync
poweroff -f
"""


@pytest.fixture
def small() -> Iterator[Path]:
    """A file system of 8 MiB."""
    with short_directory() as directory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(directory)], check=True)
        try:
            yield directory
        finally:
            subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.fixture
def driver(small: Path) -> Iterator[Driver]:
    with private_libvirtd() as libvirtd:  # started after the file system is there, so that it sees it
        opened = open_driver("libvirt", DriverSettings(small, PLATFORM, libvirtd.url, accelerator="tcg"))
        yield opened
        opened.close()


def test_a_guest_whose_disk_is_full_stands_still_says_why_and_goes_on_once_there_is_room(
    driver: Driver, small: Path, tmp_path: Path
) -> None:
    vm, guest = a_vm(), mini_guest(tmp_path, WRITES)
    boot = {"kernel": guest.kernel, "initrd": guest.initrd, "cmdline": guest.cmdline}
    wanted = plan(vm, memory_mib=160, disks=(DiskPlan("root", size_gib=1),), nics=(), **boot)
    seen: list[tuple[str, str]] = []
    driver.watch(lambda who, power: seen.append((who, power)), lambda: None)
    driver.deploy(wanted, Owner(PLATFORM, vm, 1), guest.files)
    driver.start(vm)
    assert driver.why_paused(vm) == ""
    until(lambda: (vm, Power.PAUSED) in seen, 60, "the guest stands still")
    assert driver.power(vm) == Power.PAUSED
    assert driver.why_paused(vm) == "there is no room left where its disk vda lies; make room, then resume it"
    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    driver.resume(vm)
    until(lambda: driver.power(vm) == Power.OFF, 60, "the guest has written all of it")
    driver.erase(vm)
