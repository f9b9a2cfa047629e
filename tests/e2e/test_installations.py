# SPDX-License-Identifier: Apache-2.0
"""Real installations through the whole platform, each by one request: from an empty disk to a guest that says so."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uiipythonapi

from tests.e2e.conftest import ONE_CPU, addresses, gone
from tests.integration.imagebuilder.conftest import Guest
from tests.support.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]
BOTH = [
    {"network": "default", "method": "static", "addresses": ["10.77.0.51/24"]},
    {"network": "lab", "method": "static", "addresses": ["10.78.0.51/24"]},
]
LINKS: dict[str, Any] = {
    "networks": [{"network": "lab", "bond": "bond0"}, {"network": "lab", "bond": "bond0"}, {"network": "default"}],
    "bonds": [{"name": "bond0", "addresses": ["10.78.0.51/24"]}],
    "vlans": [{"id": 20, "over": "bond0", "addresses": ["192.0.2.51/24"], "mtu": 1400}],
}


def test_debian_is_installed_from_a_medium_onto_an_empty_disk_with_two_static_links(real: Stack) -> None:
    users = [{"name": "ops", "password": "Correct-horse-7", "ssh_keys": []}]
    made = real.create("inst-1", os="debian-12-image", **ONE_CPU, networks=BOTH, users=users)
    assert [step["name"] for step in made["job"]["steps"]][3:] == ["start", "install", "boot", "verify"]
    job = real.finish(made["job"]["id"], 1200)
    assert job["state"] == "succeeded", job
    vm = real.vm(made["vm"]["id"])
    assert vm["state"] == "ready", (job, vm)
    first, second = (vm["nics"][n]["mac"] for n in (0, 1))
    seen = addresses(vm)
    assert "10.77.0.51/24" in seen[first]
    assert "10.78.0.51/24" in seen[second]
    assert vm["observed"]["hostname"] == "inst-1"
    told = [e["text"] for e in real.events(job["id"]) if e["kind"] == "guest.phase" and e["step"] == "install"]
    order = ["loader up", "partitioning", "packages", "bootloader", "installed"]
    assert [phase for phase in dict.fromkeys(told) if phase in order] == order
    gone(real, vm["id"])


def test_a_debian_boots_by_uefi_from_its_cloud_image_and_sets_up_a_bond_and_a_vlan_on_it(real: Stack) -> None:
    made = real.create("uefi-1", os="debian-12", firmware="uefi", **ONE_CPU, **LINKS)
    job = real.finish(made["job"]["id"], 1200)
    assert job["state"] == "succeeded", job
    vm = real.vm(made["vm"]["id"])
    assert vm["state"] == "ready", (job, vm)
    assert vm["firmware"] == "uefi"
    seen = {link["name"]: link for link in vm["observed"]["interfaces"]}
    assert "10.78.0.51/24" in seen["bond0"]["addresses"]
    assert "192.0.2.51/24" in seen["vlan20"]["addresses"]
    assert seen["vlan20"]["mtu"] == 1400
    assert any(address.startswith("10.77.0.") for address in seen["eth2"]["addresses"])
    assert not seen["eth0"]["addresses"]
    gone(real, vm["id"])


@pytest.fixture
def guests() -> Iterator[list[Guest]]:
    running: list[Guest] = []
    yield running
    for guest in running:
        guest.close()


def test_what_virtomizes_client_saves_boots_and_installs(
    real: Stack, tmp_path: Path, guests: list[Guest], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "uii", "scopes": ["write"], "expires_in": 3600}
    token = real.http.post("/v1/tokens", json=body).raise_for_status().json()["token"]
    monkeypatch.setattr("uiipythonapi.client.BASE_URL", f"{real.api_url}/uii/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    iso, disk = tmp_path / "saved.iso", tmp_path / "disk.qcow2"
    networks = [{"dhcp": True, "nointernet": False}]
    assert uiipythonapi.Client(token).build(str(iso), "debian", "12", "x86_64", "saved-host", networks) == ""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "4G"], check=True)
    drives = ["-drive", f"file={disk},if=none,id=disk,format=qcow2", "-device", "virtio-blk-pci,drive=disk,bootindex=1"]
    drives += ["-drive", f"file={iso},if=none,id=cd,format=raw,readonly=on", "-device", "scsi-cd,drive=cd,bootindex=2"]
    link = ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
    guest = Guest(tmp_path, ["-m", "512", *drives, *link])
    guests.append(guest)
    told = [message["name"] for message in guest.until("hello", timeout=600) if message["type"] == "phase"]
    assert told[0] == "loader up"
    assert "installed" in told
    assert guest.report_with("10.0.2.15/24")["hostname"] == "saved-host"
