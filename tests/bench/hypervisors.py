# SPDX-License-Identifier: Apache-2.0
"""The vSphere driver against pyVmomi used plainly, on a simulated vCenter, in one run; drifts and lists of any kind."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from pyVim.task import WaitForTask
from pyVmomi import vim

from services.common.contracts.commands import Artifact, DeployPlan, DiskPlan
from services.hostagent.drivers.base import DriverSettings, Owner
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.machine_spec import vm_spec
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.bench.figures import median_ratio, show
from tests.bench.hypervisors_drift import drift_s, list_p95_ms
from tests.support.hypervisor import PLATFORM, a_vm, network, plan
from tests.support.scratch import short_directory
from tests.support.vcsim.running import STANDARD, Vcsim, vcsim

_MIB = 1 << 20
_CHUNK = 1 << 20


@contextmanager
def driver_on(server: Vcsim) -> Iterator[VsphereDriver]:
    """A driver as an agent has it."""
    with short_directory() as directory:
        driver = VsphereDriver(DriverSettings(directory, PLATFORM, vsphere=server.settings()))
        try:
            yield driver
        finally:
            driver.close()


def inventory_speedup(vms: int, rounds: int) -> tuple[float, str]:
    """All our vms in one sweep, against asking each for what the sweep tells."""
    with vcsim() as server, driver_on(server) as driver:
        place = driver.at.place()
        for number in range(vms):
            vm = a_vm()
            spec = vm_spec(plan(vm, f"web{number}", nics=()), Owner(PLATFORM, vm, 1), place.datastore_name, {}, [])
            place.folder.CreateVM_Task(spec, place.pool)
        ours = [_timed(driver.inventory) for _ in range(rounds)]
        assert len(driver.inventory()) == vms
        plain = _timed(lambda: [_asked(ref) for ref in place.view.view])
    return plain / statistics.median(ours), f"{plain:.2f} s against {statistics.median(ours):.3f} s for {vms} vms"


def splice_put_ratio(mib: int, rounds: int) -> tuple[float, str]:
    """An image put on the datastore as it is spliced, against a plain file of its size by the same connection."""
    with vcsim() as server, driver_on(server) as driver, tempfile.TemporaryDirectory() as directory:
        place, (overlay, master) = driver.at.place(), image(Path(directory), mib)
        driver.at.call("making a directory", lambda seat, at: driver.at.datastore.make_directory(seat, at, "bench"))
        spliced: list[float] = []
        plain: list[float] = []
        ways = (
            (plain, lambda: put_plainly(server, driver, "bench/plain.iso", master)),
            (spliced, lambda: driver.at.datastore.put_spliced(place, "bench/spliced.iso", overlay, master)),
        )
        for number in range(rounds):
            for times, put in ways if number % 2 else reversed(ways):  # the server writes to its disk after each
                times.append(_timed(put))
    rates = [mib / statistics.median(times) for times in (spliced, plain)]
    return median_ratio(plain, spliced), f"{rates[0]:.0f} against {rates[1]:.0f} MiB/s, images of {mib} MiB"


def power_on_ratio(pairs: int, mib: int) -> tuple[float, str]:
    """From a plan to a vm that runs, with its image on the datastore: the agent's two verbs, against the bare calls."""
    with vcsim() as server, driver_on(server) as driver, tempfile.TemporaryDirectory() as directory:
        overlay, master = image(Path(directory), mib)
        ours, bare = [], []
        for _ in range(pairs):
            ours.append(_timed(lambda: _by_the_driver(driver, overlay, master)))
            bare.append(_timed(lambda: _by_bare_calls(server, driver, master)))
    shown = [1000 * statistics.median(times) for times in (ours, bare)]
    return median_ratio(ours, bare), f"{shown[0]:.0f} against {shown[1]:.0f} ms, medians of {pairs} pairs"


def image(directory: Path, mib: int) -> tuple[Path, Path]:
    """An installation image as an agent has it: an overlay of a few KiB, and its master."""
    content = os.urandom(_MIB) * mib
    master = directory / sha256(content).hexdigest()
    master.write_bytes(content)
    overlay = directory / "overlay"
    write_overlay(overlay, master, [Patch(_MIB // 2, os.urandom(50_000))])
    return overlay, master


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


def _asked(ref: Any) -> tuple[str, str, list[Any]]:
    return ref.name, str(ref.runtime.powerState), list(ref.config.extraConfig)


def _planned(vm: str, overlay: Path, master: Path) -> tuple[DeployPlan, dict[str, Path]]:
    small = Artifact(sha256(overlay.read_bytes()).hexdigest(), overlay.stat().st_size, "qcow2", "")
    large = Artifact(master.name, master.stat().st_size, "iso", "")
    nic = plan(vm).nics[0].__class__("52:54:00:00:00:01", network("office", bridge=STANDARD, kind="bridge"))
    disks = (DiskPlan("root", size_gib=1), DiskPlan("installer", base=small, device="cdrom", backing=large))
    return plan(vm, disks=disks, nics=(nic,)), {small.sha256: overlay, large.sha256: master}


def _by_the_driver(driver: VsphereDriver, overlay: Path, master: Path) -> None:
    vm = a_vm()
    wanted, files = _planned(vm, overlay, master)
    for nic in wanted.nics:
        driver.ensure_network(nic.network)
    driver.deploy(wanted, Owner(PLATFORM, vm, 1), files)
    driver.start(vm)


def _by_bare_calls(server: Vcsim, driver: VsphereDriver, master: Path) -> None:
    vm, place = a_vm(), driver.at.place()
    content = driver.at.session.call("content", lambda seat: seat.content)
    path = f"[{place.datastore_name}] {place.directory}/{vm}"
    content.fileManager.MakeDirectory(path, place.datacenter, True)
    put_plainly(server, driver, f"{vm}/installer.iso", master)
    backing = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=STANDARD)
    wanted, _files = _planned(vm, master, master)
    spec = vm_spec(wanted, Owner(PLATFORM, vm, 1), place.datastore_name, {1: f"{path}/installer.iso"}, [backing])
    task = place.folder.CreateVM_Task(spec, place.pool)
    WaitForTask(task)
    WaitForTask(task.info.result.PowerOnVM_Task())


def _timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


@click.command()
@click.option("--vms", default=1000, show_default=True, help="In the inventory.")
@click.option("--mib", default=512, show_default=True, help="Size of the image that is put on the datastore.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--pairs", default=20, show_default=True, help="Vms made and started, by each way.")
@click.option("--json", "as_json", is_flag=True)
def main(vms: int, mib: int, rounds: int, pairs: int, as_json: bool) -> None:
    """Take the figures and print them."""
    taken = {
        "inventory_speedup": inventory_speedup(vms, rounds),
        "splice_put_ratio": splice_put_ratio(mib, rounds),
        "drift_s": drift_s(3),
        "list_p95_ms": list_p95_ms(10_000, looks=100),
        "power_on_ratio": power_on_ratio(pairs, mib=8),
    }
    figures = {name: figure for name, (figure, _note) in taken.items()}
    show(figures, as_json, {name: note for name, (_figure, note) in taken.items()})


if __name__ == "__main__":
    sys.exit(main())
