# SPDX-License-Identifier: Apache-2.0
"""Disk images as an agent keeps them: small ones, and each another."""

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from services.common.contracts.commands import Artifact, DiskPlan
from services.hostagent.drivers.base import Driver, Owner
from tests.support.hypervisor import PLATFORM, network, plan
from tests.support.missing import missing


def a_master(masters: Path, mib: int = 64) -> Artifact:
    """A qcow2 with something of its own in it, among the masters of an agent, by its sha256."""
    if shutil.which("qemu-img") is None:
        missing("qemu-img (apt-get install qemu-utils)")
    raw, image = masters / "raw", masters / "qcow2"
    with raw.open("wb") as file:
        file.write(os.urandom(4096))
        file.truncate(mib << 20)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    raw.unlink()
    digest = sha256(image.read_bytes()).hexdigest()
    image.rename(masters / digest)
    return Artifact(digest, (masters / digest).stat().st_size, "qcow2", "", shared=True)


def begin_as(driver: Driver, vm: str, base: Artifact, masters: Path) -> None:
    """A vm whose disk is that image, larger."""
    driver.ensure_network(network())
    driver.bring_image(vm, base, masters / base.sha256, lambda _percent: None)
    whole = plan(vm, disks=(DiskPlan("root", 1, base),))
    driver.deploy(whole, Owner(PLATFORM, vm, 1), {base.sha256: masters / base.sha256})
