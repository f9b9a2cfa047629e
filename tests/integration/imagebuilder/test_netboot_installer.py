# SPDX-License-Identifier: Apache-2.0
"""Debian's own installer boots from a machine's image, unattended, and a mirror that can't serve it is told as such."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.common.catalog import systems
from services.common.contracts.errors import ImageFailed
from services.common.contracts.guest import clear_line
from services.imagebuilder.installation import recipe_of
from services.imagebuilder.masters import MasterStore, ensure_master
from services.imagebuilder.masters.debian_sources import machine_mirrors
from services.imagebuilder.seed import seed_files
from services.imagebuilder.slots.master import SlottedMaster, ensure_slotted
from services.imagebuilder.slots.overlay import write_overlay
from services.imagebuilder.slots.pack import pack_files
from tests.integration.imagebuilder.conftest import Guest
from tests.support.file_server import serving
from tests.support.imaging import MAC, SECRETS, VM_ID, a_nic, a_spec
from tests.support.missing import missing

ROW = "debian-12-netboot"
# What Debian signed, and no installer components beside it: a mirror as companies have them.
SIGNED = ("dists/bookworm/Release", "dists/bookworm/Release.gpg", "dists/bookworm/main/binary-amd64/Release")
# The installer's own end is what is waited for; emulated, with the machine to itself, it comes after 100 s.
TIMEOUT = 600


@pytest.fixture(scope="module")
def medium(store: MasterStore) -> SlottedMaster:
    try:
        iso = ensure_master(store, ROW, lambda percent, text: None).files["iso"]
    except ImageFailed as error:
        missing(error.detail)
    return ensure_slotted(
        store, store.path(iso.sha256), iso.sha256, recipe_of(systems()[ROW]), lambda percent, text: None
    )


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A mirror without installer components, as a guest on user-mode networking reaches it."""
    folder, source = tmp_path / "mirror", machine_mirrors().main.rstrip("/")
    for path in SIGNED:
        try:
            with urllib.request.urlopen(f"{source}/{path}", timeout=60) as answer:
                content = answer.read()
        except urllib.error.URLError as error:
            missing(f"{path} of the mirror {source}: {error.reason}")
        (folder / "debian" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "debian" / path).write_bytes(content)
    with serving(folder) as url:
        yield f"http://10.0.2.2:{urlsplit(url).port}/debian"


def boot(folder: Path, medium: SlottedMaster, mirror: str) -> Guest:
    """A machine with an empty disk, and its own image in the drive."""
    nic = a_nic(addresses=("10.0.2.15/24",), gateway4="10.0.2.2", dns=("10.0.2.3",))
    spec = a_spec(os=ROW, memory_mib=1024, nics=(nic,), mirror=mirror)
    answers = pack_files(medium.layout.slot("answers"), seed_files(systems()[ROW], VM_ID, spec, SECRETS))
    image, disk = folder / "install.qcow2", folder / "disk.qcow2"
    write_overlay(image, medium.path, [answers])
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8G"], check=True)
    arguments = ["-m", "1024", "-netdev", "user,id=n"]
    arguments += ["-device", f"virtio-net-pci,netdev=n,mac={MAC(1)},romfile="]
    arguments += [
        "-drive",
        f"file={disk},if=none,id=disk,format=qcow2",
        "-device",
        "virtio-blk-pci,drive=disk,bootindex=1",
    ]
    arguments += ["-drive", f"file={image},if=none,id=cd,format=qcow2,readonly=on"]
    arguments += ["-device", "scsi-cd,drive=cd,bootindex=2"]
    return Guest(folder, arguments)


@pytest.mark.netboot
@pytest.mark.timeout(TIMEOUT + 200)
def test_a_mirror_without_installer_components_is_told_and_ends_the_installation(
    tmp_path: Path, medium: SlottedMaster, mirror: str, guests: list[Guest]
) -> None:
    guest = boot(tmp_path, medium, mirror)
    guests.append(guest)
    *phases, failure = guest.until("failed", timeout=TIMEOUT)
    assert list(dict.fromkeys(said["name"] for said in phases)) == ["loader up", "network"]
    assert [said["percent"] for said in phases] == sorted(said["percent"] for said in phases)
    assert failure["phase"] == "network"
    assert clear_line(failure["log"]) == (
        "mirror has no installer components: dists/bookworm/main/debian-installer/binary-amd64/Packages is not there"
    )
    assert "ERROR 404" in failure["log"]
    assert guest.process.wait(timeout=120) == 0, "the machine is off"
