# SPDX-License-Identifier: Apache-2.0
"""The vSphere driver against pyVmomi used plainly, on a simulated vCenter, in one run; drifts and lists of any kind."""

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from pyVmomi import vim

from services.hostagent.drivers.base import DriverSettings, Owner
from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.machine_spec import vm_spec
from services.hostagent.drivers.vsphere.places import Place
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.bench.figures import median_ratio, show
from tests.bench.hypervisors_drift import drift_s, list_p95_ms
from tests.bench.hypervisors_power_on import power_on_ratio, put_plainly, timed
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.scratch import short_directory
from tests.support.vcsim.running import Vcsim, vcsim

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
        ours = [timed(driver.inventory) for _ in range(rounds)]
        assert len(driver.inventory()) == vms
        plain = timed(lambda: [_asked(ref) for ref in place.view.view])
    return plain / statistics.median(ours), f"{plain:.2f} s against {statistics.median(ours):.3f} s for {vms} vms"


def splice_put_ratio(mib: int, rounds: int) -> tuple[float, str]:
    """An image put on the datastore as it is spliced, against a plain file of its size by the same connection."""
    with vcsim() as server, driver_on(server) as driver, tempfile.TemporaryDirectory() as directory:
        place, (overlay, master) = driver.at.place(), image(Path(directory), mib)
        driver.at.call("making a directory", lambda seat, at: driver.at.datastore.make_directory(seat, at, "bench"))
        names = ("plain.iso", "spliced.iso")
        _discarded(driver, place, names)
        spliced: list[float] = []
        plain: list[float] = []
        ways = (
            (plain, lambda: put_plainly(server, driver, f"bench/{names[0]}", master)),
            (spliced, lambda: driver.at.datastore.put_spliced(place, f"bench/{names[1]}", overlay, master)),
        )
        for number in range(rounds):
            for times, put in ways if number % 2 else reversed(ways):
                times.append(timed(put))
    rates = [mib / statistics.median(times) for times in (spliced, plain)]
    return median_ratio(plain, spliced), f"{rates[0]:.0f} against {rates[1]:.0f} MiB/s, images of {mib} MiB"


def _discarded(driver: VsphereDriver, place: Place, names: Sequence[str]) -> None:
    """What is written under these names goes nowhere: the simulator's disk is not what is measured."""
    url = driver.at.call(
        "asking", lambda seat, _: retrieve(seat, of([place.datastore], vim.Datastore, ("summary.url",)))
    )
    for name in names:
        Path(url[0].get("summary.url"), place.directory, "bench", name).symlink_to(os.devnull)


def image(directory: Path, mib: int) -> tuple[Path, Path]:
    """An installation image as an agent has it: an overlay of a few KiB, and its master."""
    content = os.urandom(_MIB) * mib
    master = directory / sha256(content).hexdigest()
    master.write_bytes(content)
    overlay = directory / "overlay"
    write_overlay(overlay, master, [Patch(_MIB // 2, os.urandom(50_000))])
    return overlay, master


def _asked(ref: Any) -> tuple[str, str, list[Any]]:
    return ref.name, str(ref.runtime.powerState), list(ref.config.extraConfig)


@click.command()
@click.option("--vms", default=1000, show_default=True, help="In the inventory.")
@click.option("--mib", default=512, show_default=True, help="Size of the image that is put on the datastore.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--pairs", default=15, show_default=True, help="Vms made and started, by each way.")
@click.option("--json", "as_json", is_flag=True)
def main(vms: int, mib: int, rounds: int, pairs: int, as_json: bool) -> None:
    """Take the figures and print them."""
    taken = {
        "inventory_speedup": inventory_speedup(vms, rounds),
        "splice_put_ratio": splice_put_ratio(mib, rounds),
        "drift_s": drift_s(3),
        "list_p95_ms": list_p95_ms(10_000, looks=100),
        "power_on_ratio": power_on_ratio(pairs, mib),
    }
    figures = {name: figure for name, (figure, _note) in taken.items()}
    show(figures, as_json, {name: note for name, (_figure, note) in taken.items()})


if __name__ == "__main__":
    sys.exit(main())
