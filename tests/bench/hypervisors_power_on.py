# SPDX-License-Identifier: Apache-2.0
"""POST to powered on, on a simulated vCenter, against the bare calls of pyVmomi for the same vm; pairs interleaved.

Both put an installation medium of the same size on the datastore, make the same vm and start it. Ours is spliced for
its vm while it is put, and everything around it is real: broker, database, scheduler, image builder, agent. When a vm
was powered on is what the server's own event says.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pyVim.task import WaitForTask
from pyVmomi import vim

from services.common.contracts.commands import Artifact, DiskPlan
from services.common.contracts.vm import hypervisor_uuid
from services.hostagent.drivers.base import DriverSettings, Owner
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.machine_spec import vm_spec
from tests.bench.figures import median_ratio, settle
from tests.support.bootable import make_medium
from tests.support.file_server import serving
from tests.support.hypervisor import PLATFORM, a_vm, network, plan
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import DISTRIBUTED, STANDARD, Vcsim, vcsim

_MIB = _CHUNK = 1 << 20
_ROOM = {"vcpus": 64, "memory_mib": 131072, "disk_gib": 2000}
_ENV = {"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32", "INNKEEPER_GUEST_URL": "https://inn.example.org"}
_BOOT_CFG = b"title=Loading ESXi installer\nkernelopt=runweasel cdromBoot\nmodules=/jumpstrt.gz --- /k.b00\n"
_VM = {"os": "esxi-8", "vcpus": 2, "memory_mib": 8192, "disk_gib": 40, "hypervisor": "vsphere"}


@dataclass(frozen=True)
class Both:
    """The platform, and a session of somebody else's on the same server."""

    stack: Stack
    administrator: Administrator
    server: Vcsim
    driver: VsphereDriver
    medium: Path


def power_on_ratio(pairs: int, mib: int) -> tuple[float, str]:
    """From the request to a vm that runs, with a medium of so many MiB on the datastore."""
    ours, bare = list[float](), list[float]()
    with _both(mib) as both:
        for number in range(2):  # warm: master fetched, places found, history begun
            _by_post(both, f"warm-{number}")
        for number in range(pairs):
            ways = ((bare, _by_bare_calls), (ours, _by_post))
            for times, way in ways if number % 2 else reversed(ways):
                settle(2 * mib)
                times.append(way(both, f"web-{number}"))
    shown = [1000 * statistics.median(times) for times in (ours, bare)]
    note = f"{shown[0]:.0f} ms from POST against {shown[1]:.0f}, medians of {pairs} pairs, a medium of {mib} MiB"
    return median_ratio(ours, bare), note


@contextmanager
def _both(mib: int) -> Iterator[Both]:
    with vcsim() as server, short_directory() as folder:
        medium = folder / "vendor" / "esxi.iso"
        medium.parent.mkdir()
        menus = {"/boot.cfg": _BOOT_CFG, "/efi/boot/boot.cfg": _BOOT_CFG}
        make_medium(medium, mib * _MIB, folder / "scratch", uefi=True, menus=menus)
        with serving(medium.parent) as url, running(folder / "s", postgres=True, env=_ENV) as stack:
            stack.enrol("cellar", "vsphere", capacity=_ROOM, vsphere=dict(server.settings()))
            _media_and_network(stack, medium, url)
            driver = _plain_driver(server, folder)
            administrator = Administrator(server)
            yield Both(stack, administrator, server, driver, medium)
            administrator.close()
            driver.close()


def _plain_driver(server: Vcsim, folder: Path) -> VsphereDriver:
    """For its session and the objects it has found; none of its verbs is used."""
    return VsphereDriver(DriverSettings(folder / "bare", PLATFORM, vsphere=server.settings()))


def _media_and_network(stack: Stack, medium: Path, url: str) -> None:
    asked = {"name": "office", "kind": "bridge", "bridge": DISTRIBUTED, "cidr": "10.90.0.0/16"}
    stack.http.post("/v1/networks", json=asked).raise_for_status()
    sha = sha256(medium.read_bytes()).hexdigest()
    body = {"name": "esxi-8", "os": "esxi-8", "kind": "iso", "url": f"{url}/esxi.iso", "sha256": sha}
    answer = stack.http.post("/v1/media", json=body).raise_for_status()
    assert stack.finish(answer.json()["job"]["id"], 120)["state"] == "succeeded"


def _by_post(both: Both, name: str) -> float:
    """Seconds; the vm is gone afterwards."""
    stack, uuid, power = both.stack, "config.instanceUuid", "runtime.powerState"
    body = {**_VM, "name": name, "networks": [{"network": "office"}]}
    with both.administrator.watching(vim.VirtualMachine, uuid, power) as until:
        begun = time.time()
        vm = stack.http.post("/v1/vms", json=body).raise_for_status().json()["vm"]["id"]
        machine = until(lambda one: one.get(uuid) == hypervisor_uuid(vm) and one.get(power) == "poweredOn")
    seconds = both.administrator.powered_on_at(machine) - begun
    remove = stack.http.delete(f"/v1/vms/{vm}").raise_for_status()
    stack.finish(remove.json()["job"]["id"], 60)
    return seconds


def _by_bare_calls(both: Both, _name: str) -> float:
    place = both.driver.at.place()
    content = both.driver.at.session.call("content", lambda seat: seat.content)
    begun = time.time()
    machine, path = _made_plainly(both)
    seconds = both.administrator.powered_on_at(machine) - begun
    for task in (
        machine.PowerOffVM_Task,
        machine.Destroy_Task,
        lambda: content.fileManager.DeleteDatastoreFile_Task(path, place.datacenter),
    ):
        both.driver.at.run("removing it", lambda _seat, _place, task=task: task())
    return seconds


def _made_plainly(both: Both) -> tuple[Any, str]:
    vm, place = a_vm(), both.driver.at.place()
    content = both.driver.at.session.call("content", lambda seat: seat.content)
    path = f"[{place.datastore_name}] {place.directory}/{vm}"
    content.fileManager.MakeDirectory(path, place.datacenter, True)
    put_plainly(both.server, both.driver, f"{vm}/installer.iso", both.medium)
    backing = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=STANDARD)
    nic = plan(vm).nics[0].__class__("52:54:00:00:00:01", network("office", bridge=STANDARD, kind="bridge"))
    artifact = Artifact("0" * 64, both.medium.stat().st_size, "iso", "")
    disks = (DiskPlan("root", size_gib=40), DiskPlan("installer", base=artifact, device="cdrom"))
    wanted = plan(vm, disks=disks, nics=(nic,))
    spec = vm_spec(wanted, Owner(PLATFORM, vm, 1), place.datastore_name, {1: f"{path}/installer.iso"}, [backing])
    task = place.folder.CreateVM_Task(spec, place.pool)
    WaitForTask(task)
    WaitForTask(task.info.result.PowerOnVM_Task())
    return task.info.result, path


def put_plainly(server: Vcsim, driver: VsphereDriver, name: str, path: Path) -> None:
    """A file by a bare PUT."""
    host, port = server.url.removeprefix("https://").split(":")
    connection = HTTPSConnection(host, int(port), context=driver.at.session.context)
    place = driver.at.place()
    target = (
        f"/folder/{quote(f'{place.directory}/{name}')}?dcPath={place.datacenter_path}&dsName={place.datastore_name}"
    )
    with path.open("rb") as file:
        headers = {"Cookie": driver.at.session.cookie, "Content-Length": str(path.stat().st_size)}
        connection.request("PUT", target, body=iter(lambda: file.read(_CHUNK), b""), headers=headers)
        assert connection.getresponse().status in (200, 201)
    connection.close()


def timed(what: Callable[[], object]) -> float:
    """Seconds it takes."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began
