# SPDX-License-Identifier: Apache-2.0
"""Masters on a vCenter: brought there once as templates, begun anew where half of one is left, removed with the master.

The simulator throws away the bytes that are sent to it, and refuses nothing: what real servers refuse is recorded here.
"""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from pyVmomi import vim

from services.common.contracts.commands import Artifact, DiskPlan
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.survey import FoundKind
from services.hostagent.drivers.base import Capability, Owner, Power
from services.hostagent.drivers.vsphere import lease, ovf, vmdk
from services.hostagent.drivers.vsphere.connections import Connection
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.integration.hostagent.vsphere.conftest import Opened, nic
from tests.support.disk_images import a_master
from tests.support.hypervisor import PLATFORM, a_vm, artifact, as_file, plan, seed_iso
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import DATASTORE, Vcsim

Counted = Callable[[Any, str], list[Any]]


@pytest.fixture
def base(driver: VsphereDriver, directory: Path) -> Artifact:
    return a_master(directory / "masters", mib=1500)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Notes the arguments of each call of a method, which goes its way."""

    def watch(kind: Any, method: str) -> list[Any]:
        calls: list[Any] = []
        whole = getattr(kind, method)

        def noted(ref: Any, *given: Any) -> Any:
            calls.append(given)
            return whole(ref, *given)

        monkeypatch.setattr(kind, method, noted)
        return calls

    return watch


def deploy(driver: VsphereDriver, vm: str, base: Artifact, size_gib: int = 3) -> None:
    files = {base.sha256: driver._files.masters / base.sha256}
    driver.deploy(plan(vm, nics=(nic(),), disks=(DiskPlan("root", size_gib, base),)), Owner(PLATFORM, vm, 1), files)


def nobody(_percent: float) -> None:
    """Hears how far it is."""


def templates(administrator: Administrator) -> list[dict[str, Any]]:
    paths = ("name", "config.template", "runtime.powerState", "config.hardware.device", "config.extraConfig")
    return [one for one in administrator.all(vim.VirtualMachine, *paths) if one["config.template"]]


def disks(item: dict[str, Any]) -> list[Any]:
    return [one for one in item["config.hardware.device"] if isinstance(one, vim.vm.device.VirtualDisk)]


def test_an_image_is_brought_there_once_and_copied_into_vms_of_their_own_sizes(
    driver: VsphereDriver, administrator: Administrator, base: Artifact, counted: Counted
) -> None:
    vms, brought = [a_vm() for _ in range(4)], counted(vim.ResourcePool, "ImportVApp")
    with ThreadPoolExecutor(4) as many:
        list(many.map(lambda vm: deploy(driver, vm, base), vms))
    assert len(brought) == 1
    (template,) = templates(administrator)
    assert (template["name"], template["runtime.powerState"]) == (
        f"innkeeper-{PLATFORM}-{base.sha256[:16]}",
        "poweredOff",
    )
    assert [disk.capacityInKB for disk in disks(template)] == [1500 << 10]
    made = [m for m in administrator.all(vim.VirtualMachine, "config.hardware.device", "config.template")]
    own = [disk for one in made if not one["config.template"] for disk in disks(one)]
    assert [disk.capacityInKB >> 20 for disk in own] == [3] * 4
    assert {vm for disk in own for vm in vms if f"/{vm}/root.vmdk" in disk.backing.fileName} == set(vms)
    assert sorted(item.vm for item in driver.inventory()) == sorted(vms)
    assert {found.kind for found in driver.survey()} == {FoundKind.VM, FoundKind.DIRECTORY}
    assert driver.at.datastore.get(driver.at.place(), disks(template)[0].backing.fileName, 1 << 20) == b""


def test_a_seed_is_in_a_drive_that_kernels_for_clouds_can_read(
    driver: VsphereDriver, administrator: Administrator, base: Artifact, tmp_path: Path
) -> None:
    vm, seed = a_vm(), seed_iso()
    both = (DiskPlan("root", 2, base), DiskPlan("seed", base=artifact(seed), device="cdrom"))
    files = {base.sha256: driver._files.masters / base.sha256, artifact(seed).sha256: as_file(tmp_path, seed)}
    driver.deploy(plan(vm, nics=(nic(),), disks=both), Owner(PLATFORM, vm, 1), files)
    made = next(
        m for m in administrator.all(vim.VirtualMachine, "name", "config.hardware.device") if "web" in m["name"]
    )
    kinds = {type(one): one for one in made["config.hardware.device"]}
    drive = kinds[vim.vm.device.VirtualCdrom]
    assert drive.controllerKey in (200, 201)
    assert driver.at.datastore.get(driver.at.place(), drive.backing.fileName, 1 << 20) == seed


def test_one_that_nobody_needs_is_told_and_goes_and_one_in_use_stays(
    driver: VsphereDriver, administrator: Administrator, base: Artifact
) -> None:
    vm, master = a_vm(), driver._files.masters / base.sha256
    deploy(driver, vm, base)
    assert driver.keep_masters({base.sha256}) == []
    with driver._templates.disk_of(base, master):
        assert driver.keep_masters(()) == []
    master.unlink()
    (told,) = [found for found in driver.survey() if found.kind == FoundKind.MASTER]
    assert (told.vm, told.id) == ("", base.sha256)
    assert driver.keep_masters(()) == [told.name]
    assert (templates(administrator), driver.keep_masters(())) == ([], [])
    driver.start(vm)
    assert driver.power(vm) == Power.ON


def test_another_platform_s_template_and_a_foreign_vm_of_its_name_are_not_touched(
    driver: VsphereDriver, opened: Opened, administrator: Administrator, base: Artifact
) -> None:
    first = a_vm()
    deploy(driver, first, base)
    assert opened("another-platform").keep_masters(()) == []
    (template,) = templates(administrator)
    administrator.run(template["ref"].Rename_Task("aside"))
    folder = next(m["parent"] for m in administrator.all(vim.VirtualMachine, "name", "parent") if m["name"] == "aside")
    pool, files = administrator.all(vim.ResourcePool, "name")[0]["ref"], vim.vm.FileInfo(vmPathName=f"[{DATASTORE}]")
    theirs = vim.vm.ConfigSpec(name=template["name"], guestId="otherGuest", numCPUs=1, memoryMB=32, files=files)
    foreign = administrator.run(folder.CreateVM_Task(theirs, pool))
    with pytest.raises(HostFailed, match="somebody else's"):
        deploy(driver, a_vm(), base)
    assert driver.keep_masters(()) == []
    administrator.run(foreign.Destroy_Task())
    administrator.run(template["ref"].Rename_Task(template["name"]))
    deploy(driver, first, base)


def test_a_lease_that_lapses_in_the_middle_is_tried_again_and_half_of_it_is_begun_anew(
    driver: VsphereDriver, administrator: Administrator, base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm, told, sent = a_vm(), counted_progress(monkeypatch), lease._told

    def lapsing(at: Any, doing: str, sending: Any) -> Iterator[bytes]:
        sending.lease.HttpNfcLeaseAbort(None)
        yield from sent(at, doing, sending)

    monkeypatch.setattr(lease, "_told", lapsing)
    with pytest.raises(TryAgain, match="lease has lapsed"):
        deploy(driver, vm, base)
    assert templates(administrator) == []
    monkeypatch.setattr(lease, "_told", sent)
    deploy(driver, vm, base)
    assert len(templates(administrator)) == 1
    assert told, "how far it is keeps the lease"
    assert all(0 <= percent <= 99 for percent in told)


def counted_progress(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was told of a transfer, at each of its pieces."""
    told: list[int] = []
    whole = vim.HttpNfcLease.HttpNfcLeaseProgress

    def noted(ref: Any, percent: int) -> None:
        told.append(percent)
        whole(ref, percent)

    monkeypatch.setattr(vim.HttpNfcLease, "HttpNfcLeaseProgress", noted)
    monkeypatch.setattr(lease, "_TELL_EVERY_S", 0.0)
    return told


@pytest.mark.parametrize(("status", "error"), [(507, HostFailed), (400, HostFailed), (404, TryAgain), (500, TryAgain)])
def test_what_a_server_answers_to_a_disk_is_told(status: int, error: type[Exception]) -> None:
    answer: Any = SimpleNamespace(status=status, reason="recorded")
    with pytest.raises(error, match=f"bringing it: .* {status} recorded"):
        lease._check(answer, "bringing it")


def test_who_hears_how_far_an_image_is_may_end_it(
    driver: VsphereDriver, administrator: Administrator, base: Artifact
) -> None:
    vm, master, heard = a_vm(), driver._files.masters / base.sha256, list[float]()

    def enough(at: float) -> Callable[[float], None]:
        def heard_at(percent: float) -> None:
            if percent >= at:
                raise TryAgain("enough")

        return heard_at

    for at in (0.0, 60.0):  # while it is converted, and while it is sent
        with pytest.raises(TryAgain, match="enough"):
            driver.bring_image(vm, base, master, enough(at))
        assert templates(administrator) == []
    driver.bring_image(vm, base, master, heard.append)
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 100.0)
    assert len(templates(administrator)) == 1
    deploy(driver, vm, base)
    master.unlink()
    driver.keep_masters(())
    driver.bring_image(vm, base, master, heard.append)  # it has its disk
    assert templates(administrator) == []


def test_a_disk_is_sent_whole(driver: VsphereDriver, base: Artifact, directory: Path) -> None:
    # The simulator throws the bytes away: that they are the master's is for qemu-img to say.
    master = directory / "masters" / base.sha256
    with vmdk.streamed(master, "qcow2", directory / "templates", nobody) as disk:
        assert (disk.capacity, disk.size) == (1500 << 20, disk.path.stat().st_size)
        command = ["qemu-img", "compare", "-f", "qcow2", "-F", "vmdk", str(master), str(disk.path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "identical" in done.stdout


def test_a_lease_that_becomes_an_error_fails_with_the_vendor_s_words(
    driver: VsphereDriver, administrator: Administrator, base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a server tells of a datastore that runs full; the simulator's leases are always ready.
    full = vim.fault.NoDiskSpace(file="disk-0.vmdk", datastore="ds1", msg="Insufficient disk space on datastore 'ds1'.")
    broken = {"state": vim.HttpNfcLease.State.error, "error": full}
    monkeypatch.setattr(lease, "settled", lambda *_arguments: broken)
    with pytest.raises(HostFailed, match="Insufficient disk space on datastore 'ds1'"):
        deploy(driver, a_vm(), base)
    assert templates(administrator) == []


def test_an_import_that_is_refused_fails_with_the_vendor_s_words(
    driver: VsphereDriver, base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The simulator takes every description.
    fault = vim.fault.OvfUnsupportedType(name="part 4", msg="The device type is not supported.")
    refused = vim.OvfManager.CreateImportSpecResult(error=[fault])
    driver.at.place()
    monkeypatch.setattr(vim.OvfManager, "CreateImportSpec", lambda *_arguments: refused)
    with pytest.raises(HostFailed, match="The device type is not supported"):
        deploy(driver, a_vm(), base)


def test_an_image_that_does_not_fit_is_refused_before_it_is_converted(driver: VsphereDriver) -> None:
    huge = Artifact("ab" * 32, 1 << 60, "qcow2", "")
    with pytest.raises(HostFailed, match=f"datastore {DATASTORE} has .* MiB free"):
        deploy(driver, a_vm(), huge)


def test_without_qemu_img_no_disk_image_is_offered(
    driver: VsphereDriver, base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Capability.DISK_IMAGE in driver.facts().capabilities
    monkeypatch.setenv("PATH", "/nowhere")
    assert Capability.DISK_IMAGE not in driver.facts().capabilities
    with pytest.raises(HostFailed, match="qemu-img is not installed"):
        deploy(driver, a_vm(), base)


def test_an_image_that_refers_to_another_file_or_is_none_is_not_converted(
    driver: VsphereDriver, base: Artifact, directory: Path
) -> None:
    master = directory / "masters" / base.sha256
    overlay, text = directory / "overlay", directory / "text"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(master), str(overlay)]
    subprocess.run(command, check=True, timeout=60)
    text.write_bytes(b"no image" * 100)
    for path, why in (
        (overlay, "refers to another file"),
        (text, "not a qcow2 image"),
        (directory / "gone", "No such"),
    ):
        with pytest.raises(HostFailed, match=why), vmdk.streamed(path, "qcow2", directory / "templates", nobody):
            pass
    assert list((directory / "templates").iterdir()) == []


def test_a_disk_goes_to_the_host_whose_certificate_the_vcenter_tells(driver: VsphereDriver, server: Vcsim) -> None:
    # The simulator takes disks itself; here it plays the host, under another name than the vCenter's.
    driver.at.place()
    certificate = ssl.PEM_cert_to_DER_cert(server.certificates.certificate.read_text())
    digest = sha1(certificate, usedforsecurity=False).hexdigest()
    told = ":".join(digest[at : at + 2] for at in range(0, 40, 2)).upper()
    url = server.url.replace("127.0.0.1", "localhost") + "/nfc/1/disk-0.vmdk"
    for thumbprint, becomes in ((told, "sent"), ("AB" * 20, "it shows another certificate")):
        connection = lease._connected(driver.at, SimpleNamespace(url=url, sslThumbprint=thumbprint))
        assert becomes in asked(connection)
    untold = lease._connected(driver.at, SimpleNamespace(url=url, sslThumbprint=None))
    assert untold._context is driver.at.session.context  # type: ignore[attr-defined]


def asked(connection: Connection) -> str:
    """What becomes of a request."""
    try:
        with connection:
            connection.sent("POST", "/nfc/1/disk-0.vmdk", {"Content-Length": "0"}, ())
    except TryAgain as error:
        return error.detail
    return "sent"


def test_the_description_is_what_the_standard_calls_one() -> None:
    text = ovf.descriptor("a & b", "disk.vmdk", 1024, 2048)
    root = ElementTree.fromstring(text)
    names = [element.tag.rpartition("}")[2] for element in root]
    assert names == ["References", "DiskSection", "VirtualSystem"]
    kinds = [element.text for element in root.iter() if element.tag.endswith("}ResourceType")]
    assert kinds == ["3", "4", "6", "17"]
    (disk,) = [element for element in root.iter() if element.tag.endswith("}Disk")]
    assert "2048" in disk.attrib.values()
