# SPDX-License-Identifier: Apache-2.0
"""Simulated guests say what the image on their vm's datastore told them to, over HTTPS, as the guest agent would."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.local.simulated_guests.playing import Guests, lan_of
from deploy.local.simulated_guests.vcenter import Vcenter
from services.common.catalog import systems
from services.common.contracts.commands import DiskPlan, NicPlan
from services.common.contracts.guest_message import read_message
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.hostagent.drivers.base import DriverSettings, Owner
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.delivery import installer_disk
from services.imagebuilder.installation import Installations, Wanted
from services.imagebuilder.iso import iso_image
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.places import Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.sources import Sources
from tests.support.disk_images import a_master
from tests.support.hypervisor import PLATFORM, a_vm, artifact, as_file, plan
from tests.support.image_builder import keep_a_medium
from tests.support.imaging import MAC, PROJECT, SECRETS, Told, a_nic, a_spec, new_database
from tests.support.scratch import short_directory
from tests.support.vcsim.running import DISTRIBUTED, Vcsim, vcsim

INSTALLED = ["loader up", "partitioning", "packages", "bootloader", "installed"]


@dataclass
class Api:
    """What would be the api: it keeps what was told with the right token, and refuses all else."""

    url: str = ""
    known: bool = True
    heard: list[dict[str, Any]] = field(default_factory=list)

    def kinds(self) -> list[str]:
        found, self.heard = [m.get("name", m["type"]) for m in self.heard], []
        return found


@pytest.fixture(scope="module")
def vcenter() -> Iterator[Vcsim]:
    with vcsim() as running:
        yield running


@pytest.fixture
def api(vcenter: Vcsim) -> Iterator[Api]:
    api = Api()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            line = self.rfile.read(int(self.headers["Content-Length"]))
            good = api.known and self.headers["Authorization"] == "Bearer the-token"
            if good:
                api.heard.append(read_message(line))
            self.send_response(204 if good else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the test's output."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(vcenter.certificates.certificate, vcenter.certificates.key)
    with HTTPServer(("127.0.0.1", 0), Door) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        api.url = f"https://127.0.0.1:{server.server_port}/v1/guest/messages"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield api
        server.shutdown()
        thread.join()


@pytest.fixture
def driver(vcenter: Vcsim) -> Iterator[VsphereDriver]:
    with short_directory() as directory:
        driver = VsphereDriver(DriverSettings(directory, PLATFORM, power_curve=(1.0,) * 11, vsphere=vcenter.settings()))
        yield driver
        driver.close()


def deployed(driver: VsphereDriver, api: Api, folder: Path) -> str:
    """A vm with an image of the image builder's own in its drive, for one static card and one with DHCP."""
    vm, places = a_vm(), Places(folder / "state", "http://images:8090")
    store = MasterStore(places.state_dir)
    keep_a_medium(store, folder / "scratch")
    cards = (a_nic(1, addresses=("10.79.0.11/24",), gateway4="10.79.0.1"), a_nic(2, dhcp4=True))
    spec = a_spec(os="debian-12-image", nics=cards)
    secrets = replace(SECRETS, guest_token="the-token", report_url=api.url)
    installations = Installations(store, places, Sources(store, places, new_database(folder)))
    made = installations.write(Wanted(vm, PROJECT, systems()[spec.os], spec, secrets), Told())
    disk = installer_disk(places, vm, made, driver.capabilities)
    assert disk.base is not None
    assert disk.backing is not None
    # As an agent keeps them: each by its sha256, the master where the overlay names it.
    assert sha256_of(made.overlay)[0] == disk.base.sha256
    files = {disk.base.sha256: made.overlay, disk.backing.sha256: made.master.path}
    lan = NetworkPlan("net-lan", "lan", NetworkKind.BRIDGE, bridge=DISTRIBUTED)
    nics = tuple(NicPlan(MAC(number), lan) for number in (1, 2))
    driver.deploy(plan(vm, disks=(disk,), nics=nics), Owner(PLATFORM, vm, 1), files)
    return vm


def test_a_vm_that_gets_power_installs_once_and_reports_what_its_image_says(
    driver: VsphereDriver, api: Api, vcenter: Vcsim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vm = deployed(driver, api, tmp_path)
    seen = Vcenter(vcenter.settings(user="guests@vsphere.local"))
    guests = Guests(seen, lan_of("10.79.0.0/24"), str(vcenter.certificates.authority))
    guests.turn()
    assert api.kinds() == [], "it is off"
    driver.start(vm)
    for _ in range(9):
        guests.turn()
    heard = list(api.heard)
    assert api.kinds() == [*INSTALLED, "hello", "report"], "and the first heartbeat is not due"
    first, second = heard[-1]["interfaces"]
    assert (first["mac"], first["addresses"]) == (MAC(1), ["10.79.0.11/24"])
    assert second["mac"] == MAC(2)
    assert second["addresses"][0].startswith("10.79.0.2"), "made up, of those that DHCP gives"
    assert heard[-1]["routes"] == [{"to": "0.0.0.0/0", "via": "10.79.0.1", "dev": first["name"]}]
    assert heard[-2]["os"] == "a simulated guest: nothing booted"
    driver.force_stop(vm)
    guests.turn()
    assert api.kinds() == []
    driver.start(vm)
    for _ in range(3):
        guests.turn()
    assert api.kinds() == ["hello", "report"], "its system is installed"
    api.known = False
    driver.reset(vm)
    driver.force_stop(vm)
    driver.start(vm)
    guests.turn()
    guests.turn()
    assert capsys.readouterr().out.count("falls silent") == 1
    driver.erase(vm)
    seen.close()


def test_a_vm_that_begins_as_a_disk_image_boots_at_once_and_reports_what_its_seed_says(
    driver: VsphereDriver, api: Api, vcenter: Vcsim, tmp_path: Path
) -> None:
    vm, entry = a_vm(), systems()["debian-12"]
    spec = a_spec(os=entry.name, nics=(a_nic(1, addresses=("10.79.0.12/24",), gateway4="10.79.0.1"),))
    # With a script of the user's own, the seed's user-data has two parts.
    secrets = replace(SECRETS, guest_token="the-token", report_url=api.url, first_boot="#!/bin/sh\ntrue\n")
    seed = iso_image(seed_files(entry, vm, spec, secrets), entry.label)
    base = a_master(driver._files.masters)
    disks = (DiskPlan("root", 1, base), DiskPlan("seed", base=artifact(seed), device="cdrom"))
    files = {base.sha256: driver._files.masters / base.sha256, artifact(seed).sha256: as_file(tmp_path, seed)}
    lan = NetworkPlan("net-lan", "lan", NetworkKind.BRIDGE, bridge=DISTRIBUTED)
    driver.deploy(plan(vm, disks=disks, nics=(NicPlan(MAC(1), lan),)), Owner(PLATFORM, vm, 1), files)
    driver.start(vm)
    seen = Vcenter(vcenter.settings(user="guests@vsphere.local"))
    guests = Guests(seen, lan_of("10.79.0.0/24"), str(vcenter.certificates.authority))
    for _ in range(3):
        guests.turn()
    (card,) = api.heard[-1]["interfaces"]
    assert (card["mac"], card["addresses"]) == (MAC(1), ["10.79.0.12/24"])
    assert api.kinds() == ["hello", "report"], "nothing is installed first"
    driver.erase(vm)
    driver.keep_masters(())
    seen.close()
