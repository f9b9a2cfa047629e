# SPDX-License-Identifier: Apache-2.0
"""A vendor's medium that somebody imported, through every process: a vm of it becomes ready, and its answers are there.

The media are synthetic. The fake host's guest speaks in the place of a system with a port, the test in ESXi's: it runs
the first boot of the kickstart from the vm's disc, with an esxcli that lists what it is told.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from services.common.catalog import systems
from tests.e2e.conftest import gone
from tests.support.bootable import make_medium
from tests.support.esxi_guest import listing, run_first_boot
from tests.support.file_server import serving
from tests.support.stack import Stack
from tests.support.waiting import until
from tests.support.windows_guest import GUEST_URL

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("host")]
BOOT_CFG = b"title=Loading ESXi installer\nkernelopt=runweasel cdromBoot\nmodules=/jumpstrt.gz --- /k.b00\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIo6QJpLo1lGUcHNmjGPyGRuVJvH7/iPXfsX2bq1VJdV me@desk"
IMAGE = bytes(510) + b"\x55\xaa" + b"a vendor's image" * 10_000


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vendor")


@pytest.fixture(scope="module")
def site(vendor: Path) -> Iterator[str]:
    with serving(vendor) as url:
        yield url


def imported(stack: Stack, url: str, content: bytes, **asked: str) -> None:
    answer = stack.http.post("/v1/media", json={**asked, "url": url, "sha256": sha256(content).hexdigest()})
    job = stack.finish(answer.raise_for_status().json()["job"]["id"])
    assert job["state"] == "succeeded", job


def seed_of(stack: Stack, vm: dict[str, Any]) -> Path:
    return stack.directory / "state" / "images" / str(vm["id"]) / "seed.iso"


@pytest.mark.parametrize("os", ["flatcar-stable", "fedora-coreos-stable"])
def test_an_image_with_ignition_becomes_a_vm_that_is_ready(os: str, stack: Stack, vendor: Path, site: str) -> None:
    (vendor / "image.img").write_bytes(IMAGE)
    imported(stack, f"{site}/image.img", IMAGE, name=os, os=os, kind="cloud-image")
    made = stack.create(os, os=os, flavor="medium", users=[{"name": "ops", "ssh_keys": [KEY]}])
    job = stack.finish(made["job"]["id"])
    assert job["state"] == "succeeded", job
    vm = stack.vm(made["vm"]["id"])
    assert (vm["state"], systems()[os].installable) == ("ready", True)
    disc = seed_of(stack, vm).read_bytes()
    assert disc[32808:32840].rstrip() == b"config-2"
    assert f'"sshAuthorizedKeys": ["{KEY}"]'.encode() in disc
    gone(stack, vm["id"])


def first_boot_of(stack: Stack, vm: dict[str, Any]) -> str:
    """The kickstart on a vm's disc, by the name ESXi sees; it reports to the stack's own address, which is no https."""
    disc, out = pycdlib.PyCdlib(), BytesIO()
    disc.open(str(seed_of(stack, vm)))
    disc.get_file_from_iso_fp(out, iso_path="/KS.CFG;1")
    disc.close()
    text = out.getvalue().decode()
    for word in re.findall(r'b64decode\("([A-Za-z0-9+/=]+)"\)', text):
        here = b64decode(word).replace(GUEST_URL["INNKEEPER_GUEST_URL"].encode(), stack.api_url.encode())
        text = text.replace(word, b64encode(here).decode())
    return text


def test_esxi_is_installed_from_its_own_medium_and_its_network_verified(
    stack: Stack, vendor: Path, site: str, tmp_path: Path
) -> None:
    menus = {"/boot.cfg": BOOT_CFG, "/efi/boot/boot.cfg": BOOT_CFG}
    make_medium(vendor / "esxi.iso", 1 << 16, tmp_path / "scratch", uefi=True, menus=menus)
    content = (vendor / "esxi.iso").read_bytes()
    imported(stack, f"{site}/esxi.iso", content, name="esxi-8", os="esxi-8", kind="iso")
    networks = [{"network": "lab", "addresses": ["10.78.0.41/24"]}]
    size = {"vcpus": 2, "memory_mib": 8192, "disk_gib": 40}
    body = {"name": "esxi-never-boots", "os": "esxi-8", "networks": networks, **size}
    made = stack.http.post("/v1/vms", json=body).raise_for_status().json()
    job_id, vm = made["job"]["id"], made["vm"]
    until(lambda: stack.job(job_id)["step"] == "install", 60, "the installer is waited for")
    fetched = stack.directory / "agent-fake-1" / "masters"
    assert [p for p in fetched.iterdir() if p.is_file() and b"cdromBoot ks=cdrom:/KS.CFG" in p.read_bytes()]
    lists = {
        "nic list": [{"Name": "vmnic0", "MACAddress": vm["nics"][0]["mac"]}],
        "vswitch standard list": [{"Name": "vSwitch0", "Uplinks": ["vmnic0"], "MTU": 1500}],
        "ip interface list": [{"Name": "vmk0", "Portset": "vSwitch0", "MTU": 1500}],
        "ip interface ipv4 address list": [
            {"Name": "vmk0", "IPv4Address": "10.78.0.41", "IPv4Netmask": "255.255.255.0"}
        ],
        "ip interface ipv6 address list": [],
        "ip route ipv4 list": [],
        "ip route ipv6 list": [],
        "ip dns server list": {"DNSServers": []},
    }
    run_first_boot(first_boot_of(stack, vm), tmp_path, listing(tmp_path, lists))
    job = stack.finish(job_id)
    assert job["state"] == "succeeded", job
    found = stack.vm(vm["id"])
    assert (found["state"], found["addresses"]) == ("ready", ["10.78.0.41/24"])
    gone(stack, vm["id"])
