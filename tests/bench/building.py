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
from services.imagebuilder.slots.pack import pack_files, pack_text

_MENU = "menuentry 'Install {}' {{\n  linux /vmlinuz auto=true\n  initrd /initrd.gz /innkeeper/answer.cpio\n}}\n"
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
        patches = [
            pack_files(self.layout.slot("answer"), files),
            pack_text(self.layout.slot("menu"), _MENU.format(spec.hostname).encode()),
        ]
        folder = self.places.image(vm_id)
        folder.mkdir(parents=True, mode=0o700)
        write_overlay(folder / "install.qcow2", self.master, patches, f"../../masters/{self.master.name}")
        return folder / "install.qcow2"


def _wish(os: str, number: int) -> dict[str, Any]:
    """A vm with two static NICs, dual stack; no two are alike."""
    host = number % 200 + 10
    nics = [
        {
            "mac": f"52:54:00:00:{number >> 8 & 255:02x}:{number & 255:02x}",
            "network": "net-1",
            "addresses": [f"192.0.2.{host}/24", f"2001:db8::{host}/64"],
            "gateway4": "192.0.2.1",
            "gateway6": "2001:db8::1",
            "dns": ["192.0.2.53", "2001:db8::53"],
            "search": ["example.org"],
        },
        {
            "mac": f"52:54:00:01:{number >> 8 & 255:02x}:{number & 255:02x}",
            "network": "net-2",
            "addresses": [f"198.51.100.{host}/24"],
            "routes": [{"to": "203.0.113.0/24", "via": "198.51.100.1", "metric": 50}],
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
