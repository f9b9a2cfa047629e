# SPDX-License-Identifier: Apache-2.0
"""Real guests on a real libvirtd: what the platform says is compared with what virsh and the guest say."""

from typing import Any

import pytest

from deploy.local.servers.libvirtd import Libvirtd
from tests.e2e.conftest import ONE_CPU, addresses, gone, names, orphans
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]


def test_a_mini_guest_reports_both_its_networks_and_lives_through_the_verbs(real: Stack, libvirtd: Libvirtd) -> None:
    networks = [{"network": "default"}, {"network": "lab", "method": "static", "addresses": ["10.78.0.31/24"]}]
    made = real.create("mini-1", networks=networks)
    job = real.finish(made["job"]["id"], 240)
    assert job["state"] == "succeeded", job
    vm = real.vm(made["vm"]["id"])
    assert vm["state"] == "ready"
    leased, static = (vm["nics"][n]["mac"] for n in (0, 1))
    assert any(a.startswith("10.77.0.") for a in addresses(vm)[leased])
    assert "10.78.0.31/24" in addresses(vm)[static]
    assert [n for n in names(libvirtd) if n.startswith("mini-1-")]
    life = (("suspend", "suspended"), ("resume", "ready"), ("reset", "ready"), ("reboot", "ready"), ("stop", "stopped"))
    for verb, state in (*life, ("start", "ready"), ("force-stop", "stopped")):
        answer = real.http.post(f"/v1/vms/{vm['id']}/{verb}")
        assert answer.status_code == 202, answer.text
        job = real.finish(answer.json()["job"]["id"], 120)
        assert job["state"] == "succeeded", (verb, job)
        assert real.vm(vm["id"])["state"] == state
    gone(real, vm["id"])
    assert names(libvirtd) == []


def repaired(real: Stack, vm: str) -> dict[str, Any]:
    """The job that brought the vm back, as it was asked to be."""
    answer = real.http.post(f"/v1/vms/{vm}/drift:repair")
    assert answer.status_code == 202, answer.text
    job = real.finish(answer.json()["job"]["id"], 120)
    assert job["state"] == "succeeded", job
    found = real.vm(vm)
    assert (found["state"], found["drift"]) == ("ready", None)
    return job


def test_a_real_guest_goes_on_from_its_snapshot_grows_and_is_installed_anew(real: Stack, libvirtd: Libvirtd) -> None:
    def done(vm: str, what: str, **body: object) -> str:
        answer = real.http.post(f"/v1/vms/{vm}/{what}", json=body or None)
        assert answer.status_code == 202, answer.text
        job = real.finish(answer.json()["job"]["id"], 240)
        assert job["state"] == "succeeded", (what, job)
        return str(real.vm(vm)["state"])

    made = real.create("kept-1")
    assert real.finish(made["job"]["id"], 240)["state"] == "succeeded"
    vm = made["vm"]["id"]
    first = real.vm(vm)["observed"]["boot_id"]
    assert done(vm, "snapshots", name="warm") == "ready"
    (kept,) = real.http.get(f"/v1/vms/{vm}/snapshots").json()["items"]
    assert kept["memory"] is True
    assert done(vm, "resize", vcpus=2) == "ready"
    assert real.vm(vm)["pending"] is None
    assert done(vm, "reset") == "ready"
    assert real.vm(vm)["observed"]["boot_id"] != first
    assert done(vm, f"snapshots/{kept['id']}/revert") == "ready"
    assert real.vm(vm)["observed"]["boot_id"] == first
    assert real.http.delete(f"/v1/vms/{vm}/snapshots/{kept['id']}", params={"wait": 60}).status_code == 200
    assert done(vm, "rebuild") == "ready"
    name = next(n for n in names(libvirtd) if n.startswith("kept-1-"))
    assert libvirtd.virsh("vcpucount", name, "--config", "--current").stdout.strip() == "2"
    gone(real, vm)
    assert names(libvirtd) == []


def test_a_running_guest_gets_a_volume_and_a_card_and_its_next_start_is_compared_with_both(
    real: Stack, libvirtd: Libvirtd
) -> None:
    def done(method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = real.http.request(method, path, json=body)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        job = real.finish(found["job"]["id"], 240)
        assert job["state"] == "succeeded", job
        return found

    vm = f"/v1/vms/{done('POST', '/v1/vms', {'name': 'hot-1', 'os': 'mini', 'flavor': 'tiny'})['vm']['id']}"
    name = next(n for n in names(libvirtd) if n.startswith("hot-1-"))
    volume = done("POST", f"{vm}/volumes", {"size_gib": 1})["volume"]["id"]
    done("POST", f"{vm}/volumes/{volume}/grow", {"size_gib": 2})
    assert f"{volume}.qcow2" in libvirtd.virsh("domblklist", name).stdout
    card = done("POST", f"{vm}/nics", {"network": "lab", "addresses": ["10.78.0.33/24"]})["nic"]["mac"]
    assert card in libvirtd.virsh("domiflist", name).stdout
    done("POST", f"{vm}/reboot")
    found = real.http.get(vm).json()
    assert (found["state"], "10.78.0.33/24" in addresses(found)[card]) == ("ready", True)
    done("DELETE", f"{vm}/volumes/{volume}")
    assert volume not in libvirtd.virsh("domblklist", name).stdout
    done("POST", f"{vm}/force-stop")
    done("DELETE", f"{vm}/nics/{card}")
    done("POST", f"{vm}/start")
    assert real.http.get(vm).json()["state"] == "ready"
    gone(real, found["id"])
    assert not list((real.directory / "agent-kvm-1" / "volumes").iterdir())
    assert orphans(real) == []


def test_a_domain_destroyed_behind_our_back_is_seen_and_repaired(real: Stack, libvirtd: Libvirtd) -> None:
    made = real.create("drift-1")
    assert real.finish(made["job"]["id"], 120)["state"] == "succeeded"
    name = next(n for n in names(libvirtd) if n.startswith("drift-1-"))
    libvirtd.virsh("destroy", name)
    until(lambda: real.vm(made["vm"]["id"])["state"] == "stopped", 5, "the drift is seen")
    assert repaired(real, made["vm"]["id"])["kind"] == "vm.start"
    # Now the definition, too: what is left are its disks, and the vm is made again around them.
    libvirtd.virsh("destroy", name)
    libvirtd.virsh("undefine", name)
    until(lambda: real.vm(made["vm"]["id"])["state"] == "missing", 5, "the drift is seen")
    until(lambda: (real.vm(made["vm"]["id"])["drift"] or {}).get("files"), 30, "its disks are found")
    assert orphans(real) == []
    assert repaired(real, made["vm"]["id"])["kind"] == "vm.repair"
    assert name in names(libvirtd)
    gone(real, made["vm"]["id"])
    assert orphans(real) == []


def test_a_foreign_domain_is_never_touched(real: Stack, libvirtd: Libvirtd) -> None:
    xml = libvirtd.directory / "foreign.xml"
    xml.write_text("<domain type='qemu'><name>foreign</name><memory>65536</memory><os><type>hvm</type></os></domain>")
    assert libvirtd.virsh("define", str(xml)).returncode == 0
    made = real.create("beside-1")
    real.finish(made["job"]["id"], 120)
    gone(real, made["vm"]["id"])
    assert names(libvirtd) == ["foreign"]
    libvirtd.virsh("undefine", "foreign")


def test_debian_12_is_built_installed_and_both_addresses_are_seen_from_inside(real: Stack) -> None:
    networks = [{"network": "default"}, {"network": "lab", "method": "static", "addresses": ["10.78.0.41/24"]}]
    made = real.create("deb-1", os="debian-12", **ONE_CPU, networks=networks)
    job = real.finish(made["job"]["id"], 1200)
    assert job["state"] == "succeeded", job
    vm = real.vm(made["vm"]["id"])
    assert vm["state"] == "ready", (job, vm)
    leased, static = (vm["nics"][n]["mac"] for n in (0, 1))
    assert any(a.startswith("10.77.0.") for a in addresses(vm)[leased])
    assert "10.78.0.41/24" in addresses(vm)[static]
    assert vm["observed"]["hostname"] == "deb-1"
    gone(real, vm["id"])
