# SPDX-License-Identifier: Apache-2.0
"""A real guest on a real libvirt: it reports the network asked for, and outlives agent and libvirtd."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.servers.libvirtd import Libvirtd
from services.common.contracts.commands import Artifact, DeployPlan, DiskPlan, NicPlan, Verb
from services.common.contracts.errors import InnkeeperError
from services.common.contracts.events import AgentEventKind as K
from services.common.contracts.evidence import seen
from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.vm import nic_mac
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.iso import iso_image
from services.imagebuilder.masters.ensure import ensure_master
from services.imagebuilder.masters.store import Master, MasterStore
from tests.integration.hostagent.conftest import Station
from tests.support.file_server import serving
from tests.support.hypervisor import a_vm, artifact, network, plan
from tests.support.missing import missing
from tests.support.waiting import until

Make = Callable[..., Station]
INNER = network("inner", kind="isolated", cidr="10.78.0.0/24", gateway="", dhcp_start="", dhcp_end="", dns=())


class Shop:
    """Serves a mini guest's files by HTTP, as the image builder does."""

    def __init__(self, url: str, folder: Path, master: Master) -> None:
        self.url, self.folder, self.master = url, folder, master

    def master_file(self, role: str) -> Artifact:
        file = self.master.files[role]
        return Artifact(file.sha256, file.size, file.format, f"{self.url}/masters/{file.sha256}", shared=True)

    def seed(self, nics: tuple[Nic, ...]) -> Artifact:
        data = iso_image({"innkeeper/mini.net": DIALECTS["mini"](NetworkModel(tuple(nics)), "web")})
        (self.folder / "seed.iso").write_bytes(data)
        return artifact(data, f"{self.url}/seed.iso")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    store, folder = MasterStore(Path.home() / ".cache" / "innkeeper"), tmp_path_factory.mktemp("shop")
    try:
        master = ensure_master(store, "mini", lambda *_: None)
    except InnkeeperError as error:
        missing(f"the mini guest can't be made here: {error.detail}")
    (folder / "masters").symlink_to(store.path(master.files["kernel"].sha256).parent)
    with serving(folder) as url:
        yield Shop(url, folder, master)


def mini(shop: Shop, vm: str) -> DeployPlan:
    """A mini guest with a DHCP link and a static one."""
    macs = [nic_mac(vm, n) for n in (0, 1)]
    links = (Nic(macs[0], "default", "eth0", dhcp4=True), Nic(macs[1], "inner", "eth1", addresses=("10.78.0.7/24",)))
    return plan(
        vm,
        memory_mib=160,
        disks=(DiskPlan("root", size_gib=1), DiskPlan("seed", base=shop.seed(links), device="cdrom")),
        nics=(NicPlan(macs[0], network()), NicPlan(macs[1], INNER)),
        kernel=shop.master_file("kernel"),
        initrd=shop.master_file("initrd"),
        cmdline=shop.master.cmdline,
    )


def boots(here: Station, vm: str) -> list[str]:
    """The boot ids heard, in order."""
    return list(dict.fromkeys(report["boot_id"] for report in here.said(vm, "report")))


def addresses(here: Station, vm: str) -> dict[str, list[str]]:
    reports = here.said(vm, "report")
    return {i["name"]: i["addresses"] for i in reports[-1]["interfaces"]} if reports else {}


def test_a_guest_lives_through_everything(station: Make, libvirtd: Libvirtd, shop: Shop) -> None:
    here, vm = station(driver="libvirt", libvirt_uri=libvirtd.url, accelerator="tcg"), a_vm()
    assert here.do(Verb.DEPLOY, vm, plan=mini(shop, vm)).kind is K.DONE
    assert here.do(Verb.START, vm).kind is K.DONE

    def as_asked() -> bool:
        found = addresses(here, vm)
        lease = (found.get("eth0") or [""])[0]
        return found.get("eth1") == ["10.78.0.7/24"] and lease.startswith("10.77.0.1")

    until(as_asked, 60, f"the network asked for, from inside\n{here.process.tail()}")

    looked = here.do(Verb.EVIDENCE, vm)
    assert looked.kind is K.EVIDENCE
    assert seen(looked.data).console.strip(), "the guest writes on its serial console"

    here.process.kill()
    known = len(here.said(vm, "report"))
    here.start()
    until(lambda: len(here.said(vm, "report")) > known, 15, "a report to the next agent")
    assert len(boots(here, vm)) == 1

    libvirtd.kill()
    libvirtd.start()
    assert here.do(Verb.REBOOT, vm).kind is K.DONE
    until(lambda: len(boots(here, vm)) == 2, 60, "a report of the second boot")

    assert here.do(Verb.STOP, vm).data == {"power": "off"}
    until(lambda: here.heard(K.LIFECYCLE, vm)[-1].data["power"] == "off", 5, "the lifecycle event")
    assert here.do(Verb.ERASE, vm, fence=2).kind is K.DONE
    assert not (here.directory / "a/vms" / vm).exists()
    assert libvirtd.virsh("list", "--all", "--name").stdout.split() == []
