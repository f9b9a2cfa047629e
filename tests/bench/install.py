# SPDX-License-Identifier: Apache-2.0
"""From power on to the installed agent's report with both static addresses, against a boot of the same system's disk.

The floor is the cloud image's way: the finished disk under an overlay, and a seed CD; nothing is installed there. Both
under software emulation, one after the other, in turns.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from services.common.catalog import systems
from services.common.contracts.network import Nic
from services.common.contracts.vm import VmSpec
from services.imagebuilder.installation import Installations, Wanted
from services.imagebuilder.iso import iso_image
from services.imagebuilder.masters import MasterStore, ensure_master
from services.imagebuilder.places import INSTALL, Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.sources import Sources
from tests.bench.figures import median_ratio, show
from tests.integration.imagebuilder.conftest import CACHE, Guest
from tests.support.imaging import PROJECT, SECRETS, VM_ID, Told, a_nic, a_spec, new_database

# The flavor `medium`.
MACHINE = ("-smp", "2", "-m", "2048")
NICS = (
    a_nic(1, name="eth0", addresses=("10.0.2.15/24",), gateway4="10.0.2.2"),
    a_nic(2, name="eth1", addresses=("192.0.2.10/24",)),
)


@dataclass(frozen=True)
class Run:
    """Seconds since power on until "installed" was said (0: never), and until both addresses were reported."""

    written_s: float
    reported_s: float


def boot(folder: Path, arguments: list[str]) -> Run:
    """One machine until its agent has reported."""
    folder.mkdir()
    links = [word for number, nic in enumerate(NICS) for word in _link(number, nic)]
    begun, written = time.perf_counter(), 0.0
    with closing(Guest(folder, [*MACHINE, *arguments, *links])) as guest:
        while True:
            message = guest.until("phase", "report", timeout=600)[-1]
            if message.get("name") == "installed":
                written = time.perf_counter() - begun
            seen = {address for link in message.get("interfaces", ()) for address in link["addresses"]}
            if seen >= {nic.addresses[0] for nic in NICS}:
                return Run(written, time.perf_counter() - begun)


def _link(number: int, nic: Nic) -> tuple[str, ...]:
    device = f"virtio-net-pci,netdev=n{number},mac={nic.mac},romfile="
    return ("-netdev", f"user,id=n{number}", "-device", device)


def _drive(path: Path, kind: str, number: int, more: str = "") -> list[str]:
    device = "virtio-blk-pci" if kind == "disk" else "scsi-cd"
    drive = f"file={path},if=none,id=d{number}{more}"
    return ["-drive", drive, "-device", f"{device},drive=d{number},bootindex={number}"]


@dataclass(frozen=True)
class Ground:
    """Where masters and images are."""

    store: MasterStore
    places: Places
    work: Path

    def installed(self, spec: VmSpec) -> list[str]:
        """An empty disk and the installation image."""
        sources = Sources(self.store, self.places, new_database(self.work))
        wanted = Wanted(VM_ID, PROJECT, systems()[spec.os], spec, SECRETS)
        Installations(self.store, self.places, sources).write(wanted, Told())
        disk = self.work / "empty.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "4G"], check=True)
        image = self.places.image(VM_ID) / INSTALL
        return _drive(disk, "disk", 1) + _drive(image, "cd", 2, ",format=qcow2,readonly=on")

    def floor(self, spec: VmSpec) -> list[str]:
        """The finished disk and a seed."""
        master = ensure_master(self.store, "debian-12", lambda percent, text: None)
        root, disk, seed = self.store.path(master.files["root"].sha256), self.work / "root.qcow2", self.work / "seed"
        backing = ["-b", str(root), "-F", "qcow2", str(disk), "4G"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing], check=True)
        seed.write_bytes(iso_image(seed_files(systems()[spec.os], VM_ID, spec, SECRETS)))
        return _drive(disk, "disk", 1) + _drive(seed, "cd", 2, ",format=raw,readonly=on")


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often each is measured.")
@click.option("--json", "as_json", is_flag=True, help="Print one object for machines.")
def main(rounds: int, as_json: bool) -> None:
    """Measure; masters are made first, unless they are there."""
    ours, floors = list[Run](), list[Run]()
    with tempfile.TemporaryDirectory(prefix="ikb-") as scratch:
        for turn in range(rounds):
            work = Path(scratch) / str(turn)
            (work / "state").mkdir(parents=True)
            (work / "state/masters").symlink_to(CACHE / "masters")
            ground = Ground(MasterStore(CACHE), Places(work / "state", "http://none"), work)
            ours.append(boot(work / "ours", ground.installed(a_spec(os="debian-12-image", nics=NICS))))
            floors.append(boot(work / "floor", ground.floor(a_spec(os="debian-12", nics=NICS))))
            print(f"round {turn + 1}: {ours[-1]}, floor {floors[-1].reported_s:.1f} s", file=sys.stderr)
    reported, floor = [run.reported_s for run in ours], [run.reported_s for run in floors]
    figures = {
        "install_s": statistics.median(reported),
        "written_s": statistics.median(run.written_s for run in ours),
        "boot_floor_s": statistics.median(floor),
        "install_ratio": median_ratio(reported, floor),
    }
    show(figures, as_json, {"rounds": rounds, "least_s": min(reported), "most_s": max(reported)})


if __name__ == "__main__":
    main()
