# SPDX-License-Identifier: Apache-2.0
"""The whole specification on the command line: what is sent for each option, and what a dry run shows."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn
from tests.unit.client.test_client_command import CREATE, JOB, VM

pytestmark = pytest.mark.usefixtures("signed_in")
FILES = [
    {"path": "network-config", "text": "version: 2\n"},
    {"path": "user-data", "text": "#cloud-config\nusers: []\n"},
]
BONDED: dict[str, Any] = {
    "nics": [
        {"name": "eth0", "mac": "52:54:00:00:00:01", "network": "lab", "method": "none", "bond": "bond0"},
        {"name": "eth1", "mac": "52:54:00:00:00:02", "network": "lab", "method": "none", "bond": "bond0"},
    ],
    "bonds": [{"name": "bond0", "mode": "802.3ad", "method": "dhcp", "method6": "slaac"}],
    "vlans": [{"name": "vlan20", "id": 20, "over": "bond0", "method": "static", "addresses": ["192.0.2.9/24"]}],
}


def planned(api: CannedApi, **more: Any) -> None:
    plan = {"vm": VM | BONDED, "job": JOB, "dry_run": True, "placement": {"host": ""}, "expected_s": None, **more}
    api.on("POST /v1/vms", Reply(202, plan))


def test_bonds_vlans_and_the_rest_reach_the_request(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    planned(api)
    certificate, script = tmp_path / "ca.pem", tmp_path / "first.sh"
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    script.write_text("#!/bin/sh\n")
    cards = (
        "--network",
        "lab=bond=bond0",
        "--network",
        "lab=bond=bond0,name=up1",
        "--network",
        "lab=vlan=30,method6=slaac",
    )
    links = ("--bond", "bond0=192.0.2.10/24,mode=802.3ad", "--vlan", "20@bond0=dhcp,mtu=1400")
    words = ("--domain", "example.org", "--timezone", "Europe/Berlin", "--keyboard", "de", "--locale", "de_DE.UTF-8")
    disk = ("--layout", "lvm", "--firmware", "uefi", "--ca-certificate", str(certificate), "--first-boot", str(script))
    disk += ("--volume", "data:20", "--volume", "logs:5:keep@fast", "--volume", "old")
    packages = ("--mirror", "http://m.example.org", "--proxy", "http://p.example.org", "--ntp", "a", "--ntp", "b")
    packages += ("--hypervisor", "vsphere")
    outcome = command(*CREATE, *cards, *links, *words, *disk, *packages, "--dry-run")
    assert outcome.exit_code == 0, outcome.output
    assert api.of("POST /v1/vms")[0].body == {
        "name": "web-1",
        "os": "debian-12",
        "flavor": "small",
        "domain": "example.org",
        "timezone": "Europe/Berlin",
        "keyboard": "de",
        "locale": "de_DE.UTF-8",
        "layout": "lvm",
        "firmware": "uefi",
        "mirror": "http://m.example.org",
        "proxy": "http://p.example.org",
        "hypervisor": "vsphere",
        "networks": [
            {"network": "lab", "bond": "bond0"},
            {"network": "lab", "bond": "bond0", "name": "up1"},
            {"network": "lab", "vlan": 30, "method6": "slaac"},
        ],
        "bonds": [{"name": "bond0", "addresses": ["192.0.2.10/24"], "mode": "802.3ad"}],
        "vlans": [{"id": 20, "over": "bond0", "method": "dhcp", "mtu": 1400}],
        "volumes": [
            {"name": "data", "size_gib": 20},
            {"name": "logs", "size_gib": 5, "keep": True, "datastore": "fast"},
            {"volume": "old"},
        ],
        "ntp": ["a", "b"],
        "ca_certificates": ["-----BEGIN CERTIFICATE-----\n"],
        "first_boot": "#!/bin/sh\n",
    }


@pytest.mark.parametrize(
    "option, value",
    [
        ("--bond", "=x"),
        ("--bond", "bond0=vlan=3"),
        ("--vlan", "20"),
        ("--vlan", "x@eth0"),
        ("--vlan", "20@"),
        ("--vlan", "20@eth0=mode=802.3ad"),
        ("--network", "lab=vlan=x"),
        ("--network", "lab=bond=a,bond=b"),
        ("--volume", ":20"),
        ("--volume", "data:x"),
        ("--volume", "data:20:forever"),
        ("--volume", "data:20@"),
        ("--volume", "data@fast"),
        ("--layout", "zfs"),
        ("--first-boot", "/nowhere"),
    ],
)
def test_what_is_no_link_is_refused_before_anything_is_sent(
    api: CannedApi, command: Inn, option: str, value: str
) -> None:
    outcome = command(*CREATE, option, value)
    assert outcome.exit_code == 2
    assert option in outcome.stderr
    assert not api.of("POST /v1/vms")


def test_a_dry_run_shows_links_and_names_the_files(api: CannedApi, command: Inn) -> None:
    planned(api, files=FILES)
    said = command(*CREATE, "--dry-run").stdout
    assert "nic 0        lab, in bond0\n" in said
    assert "bond bond0   802.3ad, dhcp, IPv6 by slaac\n" in said
    assert "vlan vlan20  20 on bond0, static, 192.0.2.9/24\n" in said
    assert "files of the guest (--show-files): network-config, user-data\n" in said


def test_show_files_is_a_dry_run_with_their_text(api: CannedApi, command: Inn) -> None:
    planned(api, files=FILES)
    said = command(*CREATE, "--show-files").stdout
    assert said.endswith("--- network-config\nversion: 2\n--- user-data\n#cloud-config\nusers: []\n")
    assert api.of("POST /v1/vms")[0].query == {"dry_run": "true"}


def test_files_nobody_can_tell_are_said_to_be_unknown(api: CannedApi, command: Inn) -> None:
    planned(api, files=None)
    assert "not known now" in command(*CREATE, "--dry-run").stdout
