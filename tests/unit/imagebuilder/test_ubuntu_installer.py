# SPDX-License-Identifier: Apache-2.0
"""Ubuntu by subiquity: golden files, netplan's own judgement, and reading back what was written."""

import base64
import email
import re
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Firmware, Layout, Secrets, UserSpec
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.seed import seed_files
from tests.support.answers import answer_files, compare_with_golden, rows_of
from tests.support.imaging import COLUMNS, SECRETS, VM_ID, a_spec
from tests.support.unpacked import run_from, unpacked

ROWS = rows_of("ubuntu-installer")
ROW = "ubuntu-24.04-installer"
SEED = "/target/var/lib/cloud/seed/nocloud/"


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column, guest_agent=False)


def autoinstall(files: dict[str, bytes]) -> dict[str, Any]:
    """The section subiquity reads."""
    section: dict[str, Any] = yaml.safe_load(files["user-data"])["autoinstall"]
    return section


def target_file(section: dict[str, Any], name: str) -> bytes:
    """What the late commands put into the installed system's seed."""
    pattern = re.compile(rf"echo ([A-Za-z0-9+/=]+) \| base64 -d >>{re.escape(SEED + name)}")
    texts = [command for command in section["late-commands"] if isinstance(command, str)]
    pieces = [found[1] for text in texts if (found := pattern.fullmatch(text))]
    return b"".join(base64.b64decode(piece) for piece in pieces)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_installer_is_told_the_network_that_was_asked_for(column: str) -> None:
    model, section = COLUMNS[column], autoinstall(answer_files(ROW, column))
    network = section["network"]
    assert network == yaml.safe_load(DIALECTS["netplan"](model, "h"))["network"]
    links = {**network["ethernets"], **network.get("bonds", {}), **network.get("vlans", {})}
    assert [link["match"]["macaddress"] for link in network["ethernets"].values()] == [nic.mac for nic in model.nics]
    for _, name, link in model.links():
        assert [ip_interface(a) for a in links[name].get("addresses", [])] == [ip_interface(a) for a in link.addresses]
        assert links[name].get("mtu", 0) == link.mtu
    assert not section["interactive-sections"]


def test_the_installed_system_starts_from_the_seed_of_a_cloud_image() -> None:
    asked = {"ntp": ("ntp.example",), "packages": ("vim",), "mirror": "http://mirror.example/ubuntu"}
    section = autoinstall(answer_files(ROW, "N1-one-dhcp", **asked))
    assert yaml.safe_load(target_file(section, "meta-data"))["instance-id"] == VM_ID
    seed = yaml.safe_load(target_file(section, "user-data"))
    ops, visitor = seed["users"]
    assert (ops["passwd"], ops["sudo"]) == (SECRETS.password_hashes["ops"], "ALL=(ALL) NOPASSWD:ALL")
    assert (visitor["lock_passwd"], "passwd" in visitor) == (True, False)
    assert seed["ntp"]["servers"] == ["ntp.example"]
    assert any(file["path"].endswith("guestagent.pyz") for file in seed["write_files"])
    assert section["packages"] == ["vim"]
    assert section["apt"]["primary"] == [{"arches": ["default"], "uri": "http://mirror.example/ubuntu"}]


@pytest.mark.parametrize("first_boot", ["#!/bin/sh\necho END\n" + "x" * 60_000, "#cloud-config\npackages: [vim]\n"])
def test_a_first_boot_is_for_the_installed_system_and_not_for_the_installer(first_boot: str) -> None:
    files = seed_files(systems()[ROW], VM_ID, a_spec(os=ROW), Secrets(first_boot=first_boot))
    section = autoinstall(files)
    parts = email.message_from_bytes(target_file(section, "user-data")).get_payload()
    assert isinstance(parts, list)
    last = parts[-1]
    assert isinstance(last, email.message.Message)
    assert last.get_payload(decode=True) == first_boot.encode()
    # The kernel's limit for one argument.
    assert all(len(command) < 131072 for command in section["late-commands"])


@pytest.mark.parametrize("layout, mounted", [("whole", {"/"}), ("lvm", {"/", "/boot", ""}), ("home", {"/", "/home"})])
@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.UEFI])
def test_the_disk_is_divided_as_its_layout_says(layout: str, mounted: set[str], firmware: str) -> None:
    section = autoinstall(answer_files(ROW, "N1-one-dhcp", layout=layout, firmware=firmware))
    actions = section["storage"]["config"]
    ids = [action["id"] for action in actions]
    assert len(ids) == len(set(ids))
    for index, action in enumerate(actions):
        needed = [action[key] for key in ("device", "volume", "volgroup") if key in action] + action.get("devices", [])
        assert set(needed) <= set(ids[:index])
    efi = {"/boot/efi"} if firmware == Firmware.UEFI else set()
    assert {action["path"] for action in actions if action["type"] == "mount"} == mounted | efi
    flags = {action.get("flag") for action in actions}
    assert ("bios_grub" in flags, "boot" in flags) == (firmware == Firmware.BIOS, firmware == Firmware.UEFI)
    assert len([action for action in actions if action.get("grub_device")]) == 1
    assert (layout == Layout.LVM) == any(action["type"] == "lvm_volgroup" for action in actions)


@pytest.fixture(scope="module")
def netplan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("netplan"), "netplan.io", "libnetplan1|libnetplan0")


def judged(netplan: Path, root: Path, text: bytes) -> str:
    """What netplan's generator has against a file; "" nothing."""
    file = root / "etc/netplan/50-installer.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text)
    file.chmod(0o600)
    done = run_from(netplan, "generate", "--root-dir", str(root))
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("column", COLUMNS)
def test_netplan_takes_every_network_and_writes_what_was_asked(column: str, netplan: Path, tmp_path: Path) -> None:
    model = COLUMNS[column]
    assert judged(netplan, tmp_path, DIALECTS["netplan"](model, "web-1")) == ""
    written = tmp_path / "run/systemd/network"
    for _, name, link in model.links():
        text = (written / f"10-netplan-{name}.network").read_text()
        assert set(re.findall("^Address=(.*)$", text, re.M)) == set(link.addresses)
        assert set(re.findall("^DNS=(.*)$", text, re.M)) == set(link.dns)
        targets = {route.to for route in link.routes}
        assert targets <= set(re.findall("^Destination=(.*)$", text, re.M))
        for gateway in filter(None, (link.gateway4, link.gateway6)):
            assert f"Gateway={gateway}\n" in text
    for nic in model.nics:
        assert nic.mac in (written / f"10-netplan-{model.nic_name(nic)}.link").read_text()


def test_netplan_is_a_judge_that_says_no(netplan: Path, tmp_path: Path) -> None:
    good = DIALECTS["netplan"](COLUMNS["N2-one-static-v4"], "h")
    assert "192.0.2.999" in judged(netplan, tmp_path, good.replace(b"192.0.2.10/24", b"192.0.2.999/24"))


HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "x'; reboot; '",
        "a\nlate-commands: [reboot]",
        "!!python/object:x {}",
        "]}",
        "$(reboot)",
        "\x00",
        "\u202e",
        "{{ 7*7 }}",
    ]
)


@settings(max_examples=60, deadline=None)
@given(text=HOSTILE)
def test_no_text_becomes_a_key_or_a_command(text: str) -> None:
    plain = autoinstall(_with("ssh-ed25519 AAAA x", ""))
    for key, field in ((text, ""), ("k", "packages"), ("k", "ntp")):
        try:
            section = autoinstall(_with(key, field, text))
        except Invalid:
            continue
        assert section.keys() == plain.keys()
        assert section["storage"] == plain["storage"]
        assert len(section["late-commands"]) == len(plain["late-commands"])
        seed = yaml.safe_load(target_file(section, "user-data"))
        assert seed["users"][0]["ssh_authorized_keys"] == [key]


def _with(key: str, field: str = "", text: str = "") -> dict[str, bytes]:
    changes: dict[str, Any] = {field: (text,)} if field else {}
    spec = a_spec(os=ROW, users=(UserSpec("ops", (key,)),), guest_agent=False, **changes)
    return seed_files(systems()[ROW], VM_ID, spec, Secrets())
