# SPDX-License-Identifier: Apache-2.0
"""A vm of Windows through every process, from a synthetic medium: the test speaks where set-up and the guest would."""

from pathlib import Path

import pytest

from services.imagebuilder.slots.boot_catalog import efi_entries
from tests.e2e.conftest import gone
from tests.support.file_server import serving
from tests.support.stack import Stack
from tests.support.windows_guest import WindowsGuest, import_medium

pytestmark = pytest.mark.e2e
SYSTEM, ADDRESS = "windows-server-2022", "10.78.0.31/24"
SIZE = {"vcpus": 2, "memory_mib": 4096, "disk_gib": 64}


@pytest.fixture(scope="module", autouse=True)
def medium(stack: Stack, host: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    vendor = tmp_path_factory.mktemp("vendor")
    with serving(vendor) as site:
        import_medium(stack, site, vendor, SYSTEM)


def a_body(name: str, os: str) -> dict[str, object]:
    """The body of a vm with a size of its own and one static address."""
    return {"name": name, "os": os, **SIZE, "networks": [{"network": "lab", "addresses": [ADDRESS]}]}


def booted_by_uefi(medium: Path) -> bytes:
    """How the image begins that the medium's boot catalog names."""
    with open(medium, "rb") as file:
        (entry,) = efi_entries(file)
        file.seek(entry.block * 2048)
        return file.read(16)


def test_an_imported_medium_becomes_a_vm_that_is_verified(stack: Stack) -> None:
    masters = stack.directory / "agent-fake-1" / "masters"
    before = set(masters.iterdir())
    answer = stack.http.post("/v1/vms", json=a_body("win-never-boots", SYSTEM))
    assert answer.status_code == 202, answer.text
    guest = WindowsGuest(stack, answer.json())
    guest.live(ADDRESS)
    job = stack.finish(guest.made["job"]["id"])
    assert job["state"] == "succeeded", job
    vm = stack.vm(guest.made["vm"]["id"])
    assert (vm["state"], vm["addresses"]) == ("ready", [ADDRESS])
    told = [event["text"] for event in stack.events(job["id"]) if event["kind"] == "guest.phase"]
    assert told == ["first boot", "installed", "agent"]
    assert [booted_by_uefi(path) for path in set(masters.iterdir()) - before] == [b"waits for nobody"]
    gone(stack, vm["id"])


def test_windows_11_is_not_placed_on_a_host_without_a_tpm(stack: Stack) -> None:
    answer = stack.http.post("/v1/vms", json=a_body("eleven", "windows-11"))
    assert answer.status_code == 202, answer.text
    job = stack.finish(answer.json()["job"]["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "no-host")
    assert "can't give windows-11 what it needs: tpm-2.0, secure-boot" in str(job["error"])
    asked = {"os": "windows-11", "vcpus": 1, "memory_mib": 4096, "disk_gib": 64}
    found = stack.http.post("/v1/placements:explain", json=asked).raise_for_status().json()
    assert (found["host"], found["relaxations"]) == ("", [])
