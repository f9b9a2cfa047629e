# SPDX-License-Identifier: Apache-2.0
"""Definitions in libvirt's words: read back, judged by libvirt's own schema, and safe from what names contain."""

import shutil
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from services.common.contracts.codec import dump
from services.common.contracts.commands import DeployPlan, NicPlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.network import NetworkKind
from services.hostagent.drivers.base import Owner
from services.hostagent.drivers.libvirt.domain_xml import DiskFile, Files, domain_xml
from services.hostagent.drivers.libvirt.interface_xml import another_interface, seed_of, with_file
from services.hostagent.drivers.libvirt.mark import bare_vm_mark, read_network_mark, read_vm_mark
from services.hostagent.drivers.libvirt.network_xml import bridge_name, network_digest, network_name, network_xml
from services.hostagent.drivers.libvirt.qcow2 import Base
from tests.support.hypervisor import PLATFORM, a_vm, network, plan
from tests.support.missing import missing

SCHEMAS = Path("/usr/share/libvirt/schemas")
OWNER = Owner(PLATFORM, "0198c0de-0000-7000-8000-000000000001", 5)
BASE = Base(Path("/a/masters/b"), "qcow2", 1 << 30)
FILES = Files(
    disks=[DiskFile(Path("/a/root.qcow2"), "qcow2", base=BASE), DiskFile(Path("/a/seed"), "raw", True, False)],
    port=Path("/a/ports/x"),
    console=Path("/a/console.log"),
)
# An empty disk, and the installation medium as an overlay of its master.
MEDIUM = DiskFile(Path("/a/install.qcow2"), "qcow2", cdrom=True, base=Base(Path("/a/masters/c"), "raw", 1 << 29))
INSTALLING = replace(FILES, disks=[DiskFile(Path("/a/root.qcow2"), "qcow2"), MEDIUM])
DIRECT = replace(FILES, kernel=Path("/a/masters/k"), initrd=Path("/a/masters/i"))


def judged(xml: str, schema: str) -> None:
    path = SCHEMAS / f"{schema}.rng"
    if not path.exists():
        missing(f"libvirt's schemas ({path})")
    judge = etree.RelaxNG(etree.parse(str(path)))
    assert judge.validate(etree.fromstring(xml.encode())), judge.error_log


def a_plan(**changes: Any) -> DeployPlan:
    return replace(plan(a_vm()), **changes)


@pytest.mark.parametrize("files", [FILES, DIRECT, INSTALLING], ids=["disk", "kernel", "installer"])
@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_libvirts_schema_accepts_every_vm(files: Files, accelerator: str, firmware: str) -> None:
    made = a_plan(firmware=firmware, cmdline="console=ttyS0 quiet", nics=plan(a_vm()).nics * 2)
    judged(domain_xml(made, OWNER, files, accelerator), "domain")


def test_libvirts_own_program_takes_a_vm_that_is_being_installed(tmp_path: Path) -> None:
    program, file = shutil.which("virt-xml-validate"), tmp_path / "vm.xml"
    if program is None or shutil.which("xmllint") is None:
        missing("virt-xml-validate and xmllint; install: apt-get install libvirt-clients libxml2-utils")
    file.write_text(domain_xml(a_plan(), OWNER, INSTALLING, "kvm"))
    subprocess.run([program, str(file), "domain"], check=True, capture_output=True)
    file.write_text(file.read_text().replace("<devices>", "<devices><nonsense/>"))
    assert subprocess.run([program, str(file), "domain"], check=False, capture_output=True).returncode


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mtu": 9000, "dns": ("192.0.2.53", "2001:db8::53")},
        {"kind": NetworkKind.ISOLATED},
        {"kind": NetworkKind.ISOLATED, "cidr": "", "gateway": "", "dhcp_start": "", "dhcp_end": ""},
        {"kind": NetworkKind.BRIDGE, "bridge": "br0"},
        {"cidr": "2001:db8::/64", "gateway": "2001:db8::1", "dhcp_start": "2001:db8::100", "dhcp_end": "2001:db8::1ff"},
    ],
    ids=["nat", "mtu-dns", "isolated", "no-address", "bridge", "v6"],
)
def test_libvirts_schema_accepts_every_network(changes: dict[str, Any]) -> None:
    judged(network_xml(network(**changes), PLATFORM), "network")


def test_the_chain_of_files_is_named_to_its_end_so_that_no_format_is_guessed() -> None:
    root = etree.fromstring(domain_xml(a_plan(), OWNER, FILES, "tcg").encode())
    disk = root.find("devices/disk")
    assert disk is not None
    assert disk.find("backingStore/format[@type='qcow2']") is not None
    assert disk.find("backingStore/source[@file='/a/masters/b']") is not None
    assert disk.find("backingStore/backingStore") is not None


def test_a_name_is_text_and_never_markup() -> None:
    evil = "web'/><devices><disk type='file'><source file='/etc/shadow'/></disk></devices>"
    root = etree.fromstring(domain_xml(a_plan(name=evil, cmdline=evil), OWNER, DIRECT, "tcg").encode())
    assert root.findtext("name") == evil
    assert root.findtext("os/cmdline") == evil
    assert len(root.findall("devices")) == 1


def test_the_owner_mark_is_read_back_from_all_its_forms() -> None:
    assert read_vm_mark(domain_xml(a_plan(), OWNER, FILES, "tcg")) == OWNER
    assert read_vm_mark(bare_vm_mark(OWNER)) == OWNER
    assert read_vm_mark("<domain><metadata/></domain>") is None
    assert read_network_mark(network_xml(network(), PLATFORM)) == (PLATFORM, network_digest(network()))


def test_names_of_networks_fit_the_kernel_and_differ_for_ids_of_one_minute() -> None:
    ids = [a_vm() for _ in range(50)]
    assert len({bridge_name(i) for i in ids}) == len({network_name(i) for i in ids}) == 50
    assert max(len(bridge_name(i)) for i in ids) <= 15


def test_a_new_name_is_the_same_network_and_a_new_range_is_not() -> None:
    assert network_digest(network()) == network_digest(replace(network(), name="other"))
    assert network_digest(network()) != network_digest(network(dhcp_end="10.77.0.150"))


@pytest.mark.parametrize(
    "changes", [{"kind": "vlan"}, {"kind": NetworkKind.BRIDGE}, {"gateway": ""}], ids=["kind", "bridge", "dhcp"]
)
def test_a_network_that_cannot_be_made_says_why(changes: dict[str, Any]) -> None:
    with pytest.raises(HostFailed, match="network default"):
        network_xml(network(**changes), PLATFORM)


def nic_xml(**changes: object) -> etree._Element:
    """The interface of a card on a network that holds guests to their addresses."""
    card = NicPlan("52:54:00:00:00:01", network(anti_spoof=True), **changes)  # type: ignore[arg-type]
    return etree.fromstring(another_interface(card, "<domain><devices/></domain>").encode())


def test_a_card_of_a_guarded_network_sends_from_its_own_addresses_only() -> None:
    filterref = nic_xml(addresses=("10.77.0.9",)).find("filterref")
    assert filterref is not None
    assert filterref.get("filter") == "clean-traffic"
    assert [(p.get("name"), p.get("value")) for p in filterref] == [("IP", "10.77.0.9")]
    learning = nic_xml().find("filterref/parameter")
    assert learning is not None
    assert (learning.get("name"), learning.get("value")) == ("CTRL_IP_LEARNING", "dhcp")
    stacked = nic_xml(stacked=True).find("filterref")
    assert stacked is not None
    assert stacked.get("filter") == "no-mac-spoofing"


def test_the_cards_of_a_bond_may_have_each_other_s_mac_and_no_other_card_s() -> None:
    guarded = network(anti_spoof=True)
    cards = [NicPlan(f"52:54:00:00:00:0{n}", guarded, stacked=n > 1) for n in (1, 2, 3)]
    xml = etree.fromstring(domain_xml(plan(a_vm(), nics=tuple(cards)), OWNER, FILES, "tcg").encode())
    found = [
        [p.get("value") for p in card.findall("filterref/parameter[@name='MAC']")] for card in xml.iter("interface")
    ]
    assert found == [[], [cards[1].mac, cards[2].mac], [cards[2].mac, cards[1].mac]]


def test_a_tagged_network_is_one_of_open_vswitch() -> None:
    plain = network(kind=NetworkKind.BRIDGE, bridge="br0")
    tagged = etree.fromstring(network_xml(replace(plain, vlan=20), PLATFORM).encode())
    tag = tagged.find("vlan/tag")
    assert tag is not None
    assert tag.get("id") == "20"
    assert tagged.find("virtualport[@type='openvswitch']") is not None
    with pytest.raises(HostFailed, match="Open vSwitch"):
        network_xml(replace(plain, vlan=20, anti_spoof=True), PLATFORM)


def test_what_networks_have_since_later_changes_nothing_of_those_without() -> None:
    facts = {key: value for key, value in dump(network()).items() if key not in ("name", "vlan", "anti_spoof")}
    assert network_digest(network()) == sha256(repr(sorted(facts.items())).encode()).hexdigest()[:16]
    assert network_digest(network(anti_spoof=True)) != network_digest(network())


def test_the_one_drive_is_a_seed_s_and_gets_another_file() -> None:
    xml = domain_xml(plan(a_vm()), OWNER, FILES, "tcg")
    drive, path = seed_of(xml)
    assert path == Path("/a/seed")
    assert seed_of(xml.replace("/a/seed", "/b"))[1] == Path("/b")
    assert "/c" in with_file(drive, Path("/c"))
    assert seed_of("<domain><devices/></domain>") == ("", Path())
