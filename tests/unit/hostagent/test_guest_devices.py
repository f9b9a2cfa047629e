# SPDX-License-Identifier: Apache-2.0
"""The hardware a row of the catalogue asks for, in libvirt's words: golden, and judged by libvirt's own program."""

import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from services.common.catalog import systems
from services.common.contracts.commands import NicPlan
from services.common.contracts.network import NetworkKind
from services.hostagent.drivers.base import Capability, Owner
from services.hostagent.drivers.libvirt.domain_xml import DiskFile, Files, domain_xml
from services.hostagent.drivers.libvirt.offered import read_offered, switch_answers
from tests.support.hypervisor import network, plan
from tests.support.missing import missing

GOLDEN = Path(__file__).parents[2] / "golden" / "libvirt"
VM = "0198c0de-0000-7000-8000-000000000001"
FILES = Files(
    disks=[
        DiskFile(Path("/a/root.qcow2"), "qcow2"),
        DiskFile(Path("/a/masters/medium"), "raw", cdrom=True),
        DiskFile(Path("/a/seed"), "raw", cdrom=True, bootable=False),
    ],
    port=Path("/a/ports/x"),
    console=Path("/a/console.log"),
)
CASES = [("windows-server-2022", "bios"), ("windows-server-2022", "uefi"), ("windows-11", "uefi")]


def definition(row: str, firmware: str, accelerator: str = "kvm") -> str:
    nic = NicPlan("52:54:00:00:00:01", network(kind=NetworkKind.NAT))
    made = plan(VM, "win", nics=(nic,), firmware=firmware, memory_mib=4096)
    return domain_xml(replace(made, devices=systems()[row].devices), Owner("p", VM, 1), FILES, accelerator)


@pytest.mark.parametrize("row, firmware", CASES)
def test_a_definition_is_as_its_golden_file_has_it_and_libvirt_takes_it(
    row: str, firmware: str, tmp_path: Path
) -> None:
    xml, golden = definition(row, firmware), GOLDEN / f"{row}-{firmware}.xml"
    tree = etree.fromstring(xml.encode())
    etree.indent(tree)
    text = etree.tostring(tree, encoding="unicode") + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
    program, file = shutil.which("virt-xml-validate"), tmp_path / "vm.xml"
    if program is None or shutil.which("xmllint") is None:
        missing("virt-xml-validate and xmllint; install: apt-get install libvirt-clients libxml2-utils")
    file.write_text(text)
    subprocess.run([program, str(file), "domain"], check=True, capture_output=True)


@pytest.mark.parametrize("row", [name for name, entry in systems().items() if entry.family == "windows"])
def test_windows_meets_nothing_it_has_no_driver_for_on_its_way(row: str) -> None:
    root = etree.fromstring(definition(row, "uefi").encode())
    assert {target.get("bus") for target in root.iterfind("devices/disk/target")} == {"sata"}
    assert [model.get("type") for model in root.iterfind("devices/interface/model")] == ["e1000e"]
    assert root.find("devices/controller[@type='scsi']") is None


def test_windows_11_gets_a_tpm_and_the_vendors_keys_and_its_host_must_have_them() -> None:
    root = etree.fromstring(definition("windows-11", "uefi").encode())
    features = {f.get("name"): f.get("enabled") for f in root.iterfind("os/firmware/feature")}
    assert features == {"secure-boot": "yes", "enrolled-keys": "yes"}
    assert root.find("features/smm[@state='on']") is not None
    assert root.find("devices/tpm[@model='tpm-crb']/backend[@type='emulator'][@version='2.0']") is not None
    assert systems()["windows-11"].devices.needs == (Capability.TPM, Capability.SECURE_BOOT)
    assert systems()["windows-10"].devices.needs == ()


@pytest.mark.parametrize(
    "row, accelerator, hidden",
    [("debian-13", "tcg", True), ("debian-13", "kvm", False), ("rocky-9", "tcg", False)],
)
def test_an_emulated_processor_hides_what_is_emulated_wrongly_from_who_can_do_without(
    row: str, accelerator: str, hidden: bool
) -> None:
    root = etree.fromstring(definition(row, "bios", accelerator).encode())
    assert (root.find("cpu/feature[@name='cx16'][@policy='disable']") is not None) == hidden


def account(tpm: str = "emulator", secure: str = "yes", supported: str = "yes") -> str:
    return f"""<domainCapabilities><os supported='yes'><loader supported='yes'>
      <enum name='secure'><value>{secure}</value><value>no</value></enum></loader></os>
      <devices><tpm supported='{supported}'><enum name='model'><value>tpm-crb</value></enum>
      <enum name='backendModel'><value>passthrough</value><value>{tpm}</value></enum></tpm></devices>
      </domainCapabilities>"""


def test_a_host_can_give_what_libvirt_says_it_has() -> None:
    assert read_offered(account()) == {Capability.TPM, Capability.SECURE_BOOT}
    assert read_offered(account(tpm="passthrough")) == {Capability.SECURE_BOOT}
    assert read_offered(account(supported="no", secure="no")) == frozenset()
    assert read_offered("<domainCapabilities/>") == frozenset()


def test_a_switch_that_is_installed_and_does_not_run_takes_no_card(short_dir: Path) -> None:
    assert not switch_answers(short_dir)
    with socket.socket(socket.AF_UNIX) as database:
        database.bind(str(short_dir / "db.sock"))
        assert not switch_answers(short_dir)
        database.listen()
        assert switch_answers(short_dir)
