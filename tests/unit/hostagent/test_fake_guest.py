# SPDX-License-Identifier: Apache-2.0
"""A fake guest comes up with exactly the network of its seed."""

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from services.common.contracts import evidence
from services.common.contracts.commands import DiskPlan, NicPlan, Verb
from services.common.contracts.errors import HostFailed
from services.common.contracts.events import AgentEventKind as K
from services.common.contracts.guest import PHASES
from services.common.contracts.guest_message import read_message
from services.hostagent.drivers.fake.guest import report
from services.hostagent.drivers.fake.seed import dhcp_address, links, read_network_config
from tests.support.hypervisor import a_vm, as_file, network, plan, seed_iso
from tests.support.waiting import until
from tests.unit.hostagent.conftest import Desk

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
NICS = tuple(NicPlan(mac, network()) for mac in MACS)
NETPLAN: dict[str, Any] = {
    "version": 2,
    "ethernets": {
        "eth0": {"match": {"macaddress": MACS[0]}, "set-name": "eth0", "dhcp4": True},
        "eth1": {
            "match": {"macaddress": MACS[1].upper()},
            "set-name": "lan",
            "addresses": ["192.0.2.10/24", "2001:db8::10/64"],
            "routes": [
                {"to": "0.0.0.0/0", "via": "192.0.2.1", "metric": 50},
                {"to": "default", "via": "2001:db8::1"},
            ],
            "nameservers": {"addresses": ["192.0.2.53"], "search": ["example.org"]},
            "mtu": 9000,
        },
    },
}


def seen(tmp_path: Path, netplan: dict[str, Any]) -> dict[str, Any]:
    iso = as_file(tmp_path, seed_iso(netplan))
    made = links(NICS, read_network_config(iso))
    return report(made, "boot", "web")


@pytest.mark.parametrize("netplan", [NETPLAN, {"network": NETPLAN}], ids=["bare", "wrapped"])
def test_static_and_dhcp_links_come_up_as_the_seed_says(tmp_path: Path, netplan: dict[str, Any]) -> None:
    told = seen(tmp_path, netplan)
    first, second = told["interfaces"]
    assert (first["name"], first["mac"], first["addresses"]) == ("eth0", MACS[0], [dhcp_address(NICS[0])])
    assert (second["name"], second["mtu"]) == ("lan", 9000)
    assert second["addresses"] == ["192.0.2.10/24", "2001:db8::10/64"]
    assert {"to": "0.0.0.0/0", "via": "192.0.2.1", "dev": "lan", "metric": 50} in told["routes"]
    assert {"to": "::/0", "via": "2001:db8::1", "dev": "lan"} in told["routes"]
    assert told["dns"] == ["10.77.0.1", "192.0.2.53"]


def test_its_report_is_one_the_host_accepts(tmp_path: Path) -> None:
    told = seen(tmp_path, NETPLAN)
    assert read_message(json.dumps(told).encode()) == told


def test_a_lease_lies_in_the_range_and_stays_the_same() -> None:
    lease = dhcp_address(NICS[0])
    assert lease == dhcp_address(NICS[0])
    assert IPv4Address("10.77.0.100") <= IPv4Interface(lease).ip <= IPv4Address("10.77.0.199")
    assert dhcp_address(NicPlan(MACS[0], network(dhcp_start="", dhcp_end=""))) == ""


def test_a_dhcp_link_without_its_default_route(tmp_path: Path) -> None:
    quiet = {"match": {"macaddress": MACS[0]}, "dhcp4": True, "dhcp4-overrides": {"use-routes": False}}
    assert seen(tmp_path, {"version": 2, "ethernets": {"eth0": quiet}})["routes"] == []


def test_bonds_and_vlans_come_up_as_the_seed_says(tmp_path: Path) -> None:
    cards = {name: {"match": {"macaddress": mac}} for name, mac in zip(("eth0", "eth1"), MACS, strict=True)}
    netplan = {
        "version": 2,
        "ethernets": cards,
        "bonds": {"bond0": {"interfaces": ["eth0", "eth1"], "dhcp4": True}},
        "vlans": {"vlan20": {"id": 20, "link": "bond0", "addresses": ["192.0.2.10/24"], "dhcp4": True}},
    }
    told = seen(tmp_path, netplan)
    bond, vlan = told["interfaces"][2:]
    assert (bond["name"], bond["mac"], bond["addresses"]) == ("bond0", MACS[0], [dhcp_address(NICS[0])])
    assert (vlan["name"], vlan["mac"], vlan["addresses"]) == ("vlan20", MACS[0], ["192.0.2.10/24"])


def test_a_nic_the_seed_leaves_out_stays_unconfigured(tmp_path: Path) -> None:
    only = {"version": 2, "ethernets": {"eth0": {"match": {"macaddress": MACS[0]}, "dhcp4": True}}}
    assert seen(tmp_path, only)["interfaces"][1]["addresses"] == []


def test_without_a_seed_every_nic_asks_dhcp() -> None:
    made = links(NICS, None)
    assert all(link.addresses for link in made)


def test_a_seed_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostFailed, match="not an ISO"):
        read_network_config(as_file(tmp_path, b"nothing"))


def test_a_guest_that_never_boots_is_silent(desks: Callable[..., Desk]) -> None:
    desk, vm, other = desks(), a_vm(), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm, "web-never-boots"))
    desk.do(Verb.START, vm)
    desk.do(Verb.DEPLOY, other, plan=plan(other, "web"))
    desk.do(Verb.START, other)
    until(lambda: desk.said(other, "report"), 5, "the other guest's report")
    assert desk.heard(K.GUEST, vm) == []


def test_a_boot_that_fails_is_reported_by_the_guest(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(faults=["boot-fails"], boot_s=1.0), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "failed"), 5, "the failure")
    assert desk.said(vm, "phase")


def test_a_crash_is_seen(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(faults=["crashes"], boot_s=0.1), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: [e.data["power"] for e in desk.heard(K.LIFECYCLE, vm)] == ["on", "crashed"], 5, "the crash")


INSTALLING = (DiskPlan("root", size_gib=1), DiskPlan("installer", device="cdrom"))


def phases(desk: Desk, vm: str) -> list[str]:
    return [str(said["name"]) for said in desk.said(vm, "phase")]


def test_an_installation_is_played_before_the_guest_reports(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm, disks=INSTALLING))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    assert phases(desk, vm) == [name for name in PHASES if name not in ("first boot", "agent")]
    assert desk.said(vm, "phase")[-1]["percent"] == 100


def test_what_was_installed_is_not_installed_again_when_it_boots(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm, disks=INSTALLING))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    told = len(phases(desk, vm))
    desk.do(Verb.REBOOT, vm)
    until(lambda: len(desk.said(vm, "report")) == 2, 5, "the report after the reboot")
    assert len(phases(desk, vm)) == told


@pytest.mark.parametrize(("fault", "failures"), [("install-fails", 1), ("install-hangs", 0)])
def test_an_installation_that_breaks_ends_half_way(desks: Callable[..., Desk], fault: str, failures: int) -> None:
    desk, vm, other = desks(), a_vm(), a_vm()
    for name, one in ((f"web-{fault}", vm), ("web", other)):
        desk.do(Verb.DEPLOY, one, plan=plan(one, name, disks=INSTALLING))
        desk.do(Verb.START, one)
    until(lambda: phases(desk, vm)[-1:] == ["packages"], 5, "half an installation")
    until(lambda: desk.said(other, "report"), 5, "the other guest's report")
    until(lambda: len(desk.said(vm, "failed")) == failures, 5, "the failures")
    assert desk.said(vm, "report") == []
    assert "packages" in evidence.seen(desk.do(Verb.EVIDENCE, vm).data).console
