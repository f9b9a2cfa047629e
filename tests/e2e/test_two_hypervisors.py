# SPDX-License-Identifier: Apache-2.0
"""Two kinds of hypervisors side by side: one request each, the same verbs, and nothing left of either.

The vCenter is simulated, the other host fake. The api alone hears a guest on vSphere: the test speaks in its place.
"""

import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
from pyVmomi import vim

from deploy.local.simulated_guests.answers import read_answers
from deploy.local.simulated_guests.vcenter import Vcenter
from services.common.contracts.vm import hypervisor_name, hypervisor_uuid
from services.common.store.database import Database
from services.common.store.guests import token_row
from services.common.store.together import write_together
from tests.e2e.conftest import gone, orphans
from tests.support.bootable import make_medium
from tests.support.disk_images import a_master
from tests.support.file_server import serving
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import DISTRIBUTED, Vcsim, vcsim
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
ENV = {"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32", "INNKEEPER_GUEST_URL": "https://inn.example.org"}
CLOUD = "ubuntu-24.04"
ROOM = {"vcpus": 64, "memory_mib": 131072, "disk_gib": 2000}
SYSTEM = {"os": "esxi-8", "vcpus": 2, "memory_mib": 8192, "disk_gib": 40}
BOOT_CFG = b"title=Loading ESXi installer\nkernelopt=runweasel cdromBoot\nmodules=/jumpstrt.gz --- /k.b00\n"


@pytest.fixture(scope="module")
def vcenter() -> Iterator[Vcsim]:
    with vcsim() as server:
        yield server


@pytest.fixture(scope="module")
def stack(vcenter: Vcsim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    vendor = tmp_path_factory.mktemp("vendor")
    image = a_master(vendor).sha256
    menus = {"/boot.cfg": BOOT_CFG, "/efi/boot/boot.cfg": BOOT_CFG}
    make_medium(vendor / "esxi.iso", 1 << 16, vendor / "scratch", uefi=True, menus=menus)
    with servers_needed(), short_directory() as folder, serving(vendor) as url, running(folder, env=ENV) as stack:
        stack.enrol("fake-1", capacity=ROOM)
        stack.enrol("cellar", "vsphere", capacity=ROOM, vsphere=dict(vcenter.settings()))
        # A bridge of that name on one host, a port group of that name on the other.
        asked = {"name": "office", "kind": "bridge", "bridge": DISTRIBUTED, "cidr": "10.90.0.0/24"}
        stack.http.post("/v1/networks", json=asked).raise_for_status()
        medium = (vendor / "esxi.iso").read_bytes()
        body = {"name": "esxi-8", "os": "esxi-8", "kind": "iso", "url": f"{url}/esxi.iso"}
        answer = stack.http.post("/v1/media", json={**body, "sha256": sha256(medium).hexdigest()})
        assert stack.finish(answer.raise_for_status().json()["job"]["id"])["state"] == "succeeded"
        body = {"name": CLOUD, "os": CLOUD, "kind": "cloud-image", "url": f"{url}/{image}", "sha256": image}
        answer = stack.http.post("/v1/media", json=body)
        assert stack.finish(answer.raise_for_status().json()["job"]["id"])["state"] == "succeeded"
        yield stack


def installed(stack: Stack, name: str, hypervisor: str, address: str, **system: Any) -> dict[str, Any]:
    """A vm that is ready, its guest heard by the api."""
    networks = [{"network": "office", "addresses": [address]}]
    body = {"name": name, "hypervisor": hypervisor, "networks": networks, **SYSTEM, **system}
    made = stack.http.post("/v1/vms", json=body).raise_for_status().json()
    vm, job, step = made["vm"], made["job"]["id"], "boot" if system else "install"
    until(lambda: stack.job(job)["step"] == step, 60, f"the guest is waited for\n{stack.tails()}")
    database = Database(stack.env["INNKEEPER_DATABASE_URL"])
    with database.write() as session:
        write_together(session, [token_row(vm["id"], f"token-{name}", time.time())])
    database.close()
    link = {"name": "vmk0", "mac": vm["nics"][0]["mac"], "mtu": 1500, "up": True, "addresses": [address]}
    report = {"type": "report", "boot_id": "b", "hostname": name, "interfaces": [link], "routes": [], "dns": []}
    headers = {"Authorization": f"Bearer token-{name}"}
    phases = [] if system else [{"type": "phase", "name": "installed", "percent": 100}]
    for message in (*phases, report):
        told = httpx.post(f"{stack.api_url}/v1/guest/messages", json=message, headers=headers, trust_env=False)
        assert told.status_code == 204, told.text
    assert stack.finish(job)["state"] == "succeeded"
    return stack.vm(vm["id"])


def done(stack: Stack, vm: dict[str, Any], verb: str, **asked: Any) -> dict[str, Any]:
    """The vm after a verb."""
    answer = stack.http.post(f"/v1/vms/{vm['id']}/{verb}", json=asked or None)
    assert answer.status_code == 202, answer.text
    job = stack.finish(answer.json()["job"]["id"])
    assert job["state"] == "succeeded", job
    return stack.vm(vm["id"])


def powers(administrator: Administrator, vm: dict[str, Any]) -> list[str]:
    """What vCenter says of the vm."""
    listed = administrator.all(vim.VirtualMachine, "config.instanceUuid", "runtime.powerState")
    uuid = hypervisor_uuid(vm["id"])
    return [str(found["runtime.powerState"]) for found in listed if found["config.instanceUuid"] == uuid]


def test_the_same_verbs_on_both_and_nothing_is_left(stack: Stack, vcenter: Vcsim) -> None:
    administrator = Administrator(vcenter)
    on_vsphere = installed(stack, "never-boots-v", "vsphere", "10.90.0.11/24")
    on_fake = installed(stack, "never-boots-f", "fake", "10.90.0.12/24")
    assert on_vsphere["host"] != on_fake["host"]
    assert powers(administrator, on_vsphere) == ["poweredOn"]
    assert powers(administrator, on_fake) == []
    for vm in (on_vsphere, on_fake):
        assert done(stack, vm, "suspend")["state"] == "suspended"
        assert done(stack, vm, "resume")["state"] == "ready"
        assert done(stack, vm, "snapshots", name="before")["state"] == "ready"
        assert done(stack, vm, "force-stop")["state"] == "stopped"
    assert powers(administrator, on_vsphere) == ["poweredOff"]
    for vm in (on_vsphere, on_fake):
        gone(stack, vm["id"])
    assert powers(administrator, on_vsphere) == []
    assert orphans(stack) == []
    administrator.close()


def test_a_vendor_s_cloud_image_is_brought_to_vsphere_once_and_its_template_is_no_orphan(
    stack: Stack, vcenter: Vcsim
) -> None:
    administrator = Administrator(vcenter)
    names = ("never-boots-1", "never-boots-2")
    vms = [installed(stack, name, "vsphere", f"10.90.0.2{n}/24", os=CLOUD) for n, name in enumerate(names)]
    assert [vm["state"] for vm in vms] == ["ready", "ready"]
    # What its system would read in its drive: where to report, with which token.
    seen = Vcenter(vcenter.settings())
    images = {machine.macs: machine.image for machine in seen.machines()}
    with seen.open(images[(vms[0]["nics"][0]["mac"],)]) as seed:
        answers = read_answers(seed)  # type: ignore[arg-type]
    seen.close()
    assert (answers.hostname, answers.installs) == (names[0], False)
    assert answers.url == f"{ENV['INNKEEPER_GUEST_URL']}/v1/guest/messages"
    headers = {"Authorization": f"Bearer {answers.token}"}
    beat = {"type": "heartbeat", "uptime_s": 1}
    told = httpx.post(f"{stack.api_url}/v1/guest/messages", json=beat, headers=headers, trust_env=False)
    assert told.status_code == 204, told.text
    templates = [one for one in administrator.all(vim.VirtualMachine, "config.template") if one["config.template"]]
    assert len(templates) == 1
    for vm in vms:
        gone(stack, vm["id"])
    assert orphans(stack) == []
    administrator.close()


def settled(stack: Stack, vm: dict[str, Any], remedy: str) -> dict[str, Any]:
    """What the platform answered, its job over."""
    answer = stack.http.post(f"/v1/vms/{vm['id']}/drift:{remedy}")
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    if told.get("job"):
        told["job"] = stack.finish(told["job"]["id"])
        assert told["job"]["state"] == "succeeded", told
    return told


def test_what_is_done_in_vcenter_is_shown_and_repaired_adopted_or_forgotten(stack: Stack, vcenter: Vcsim) -> None:
    administrator = Administrator(vcenter)
    vm = installed(stack, "never-boots-d", "vsphere", "10.90.0.13/24")
    theirs = administrator.named(vim.VirtualMachine, hypervisor_name(vm["id"], vm["name"]))

    def becomes(state: str) -> None:
        until(lambda: stack.vm(vm["id"])["state"] == state, 5, f"the vm is shown {state}")

    administrator.run(theirs.SuspendVM_Task())
    becomes("suspended")
    assert settled(stack, vm, "repair")["job"]["kind"] == "vm.resume"
    assert (stack.vm(vm["id"])["state"], powers(administrator, vm)) == ("ready", ["poweredOn"])
    administrator.run(theirs.PowerOffVM_Task())
    becomes("stopped")
    assert stack.vm(vm["id"])["drift"]
    settled(stack, vm, "adopt")
    assert (stack.vm(vm["id"])["state"], stack.vm(vm["id"])["drift"]) == ("stopped", None)
    administrator.run(theirs.Destroy_Task())
    becomes("missing")
    settled(stack, vm, "forget")
    assert stack.http.get(f"/v1/vms/{vm['id']}").status_code == 404
    assert orphans(stack) == []
    administrator.close()
