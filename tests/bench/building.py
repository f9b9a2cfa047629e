# SPDX-License-Identifier: Apache-2.0
"""A worker that builds installation images as fast as it can; tests.bench.images starts and reads it.

It says "ready" when warm, begins at a line on its standard input, and ends with one line of JSON.
"""

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.common.catalog import OsEntry, systems
from services.common.contracts.codec import load
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Secrets, VmSpec
from services.imagebuilder.places import Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.slots.layout import Layout
from services.imagebuilder.slots.overlay import write_overlay
from services.imagebuilder.slots.pack import pack_files

_SECRETS = Secrets(password_hashes={"ops": "$6$salt$aVeryLongHash./0"})
_WARM = 50


@dataclass(frozen=True)
class Site:
    """What every build needs: the catalogue's row, the master and where images go."""

    entry: OsEntry
    master: Path
    layout: Layout
    places: Places

    def build(self, number: int) -> Path:
        """One vm's image, from the request's plain values to a file a hypervisor attaches."""
        return self.image_of(load(VmSpec, _wish(self.entry.name, number)), number)

    def image_of(self, spec: VmSpec, number: int) -> Path:
        """The same from the typed spec; Invalid when it can't be right (the row's dialect checks the whole network)."""
        vm_id = f"0193b5a0-0000-7000-8000-{number:012x}"
        files = seed_files(self.entry, vm_id, spec, _SECRETS)
        patch = pack_files(self.layout.slot("answers"), files)
        folder = self.places.image(vm_id)
        folder.mkdir(parents=True, mode=0o700)
        write_overlay(folder / "install.qcow2", self.master, [patch], f"../../masters/{self.master.name}")
        return folder / "install.qcow2"


def _wish(os: str, number: int) -> dict[str, Any]:
    """A vm with two static NICs, dual stack; no two have an address or a MAC in common."""
    own = (number + 256).to_bytes(3)
    near, hexed = ".".join(map(str, own)), own.hex(":")
    nics = [
        {
            "mac": f"52:54:00:{hexed}",
            "network": "net-1",
            "addresses": [f"10.{near}/8", f"2001:db8::1:{number >> 16:x}:{number & 65535:x}/64"],
            "gateway4": "10.255.255.254",
            "gateway6": "2001:db8::1",
            "dns": ["10.255.255.53", "2001:db8::53"],
            "search": ["example.org"],
        },
        {
            "mac": f"52:54:01:{hexed}",
            "network": "net-2",
            "addresses": [f"100.{near}/8"],
            "routes": [{"to": "203.0.113.0/24", "via": "100.255.255.254", "metric": 50}],
        },
    ]
    return {
        "name": f"web-{number}",
        "hostname": f"web-{number}",
        "domain": "example.org",
        "os": os,
        "vcpus": 1,
        "memory_mib": 1024,
        "disk_gib": 8,
        "nics": nics,
        "users": [{"name": "ops", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ops@desk"]}],
        "packages": ["vim", "tmux"],
    }


def _refuses_nonsense(site: Site, number: int) -> bool:
    spec = load(VmSpec, _wish(site.entry.name, number))
    astray = replace(spec, nics=(replace(spec.nics[0], gateway4="203.0.113.1"), *spec.nics[1:]))
    try:
        site.image_of(astray, number)
    except Invalid:
        return True
    return False


def _peak_mib() -> float:
    """The most memory this process has had resident; ru_maxrss would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split()[0]) / 1024


def main(master: str, layout: str, state: str, row: str, first: str, count: str) -> None:
    """Build `count` images, numbered from `first`."""
    site = Site(
        systems()[row],
        Path(master),
        load(Layout, json.loads(Path(layout).read_text())),
        Places(Path(state), "http://x"),
    )
    begin = int(first)
    for number in range(begin, begin + _WARM):
        site.build(number)
    assert _refuses_nonsense(site, begin), "the model isn't validated: this would measure something else"
    print("ready", flush=True)
    sys.stdin.readline()
    seconds, cpu, begun = [], time.process_time(), time.perf_counter()
    path = Path()
    for number in range(begin + _WARM, begin + _WARM + int(count)):
        at = time.perf_counter()
        path = site.build(number)
        seconds.append(time.perf_counter() - at)
    whole, cpu = time.perf_counter() - begun, time.process_time() - cpu
    disk = path.stat().st_blocks * 512 / (1 << 20)
    said = {"seconds": seconds, "whole": whole, "cpu": cpu, "rss_mib": _peak_mib(), "disk_mib": disk}
    print(json.dumps({**said, "last": str(path)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
