# SPDX-License-Identifier: Apache-2.0
"""Debian's own installer, from our image and a mirror to the first boot of what it installed: `make netboot`.

It takes most of an hour and several hundred MB of packages, so it is no part of `make test`.
"""

import time
from pathlib import Path
from typing import Any

import pytest

from services.common.catalog import systems
from services.common.contracts.guest import PHASES
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.seed import seed_files
from tests.integration.imagebuilder.conftest import CACHE, Guest
from tests.support.imaging import SECRETS, VM_ID, a_nic, a_spec
from tests.support.netboot_machine import kernel_of, machine, netboot_medium
from tests.support.udeb_mirror import UNSIGNED, made, relayed

ROW, RELEASE = "debian-13-netboot", "trixie"
# Addresses that no DHCP server here gives; the installer uses the first card alone, so the second is our hook's.
NICS = (
    a_nic(1, name="outer0", addresses=("10.0.2.77/24",), gateway4="10.0.2.2", dns=("10.0.2.3",)),
    a_nic(2, name="inner0", addresses=("198.51.100.10/24",), mtu=1400),
)
NETWORKS = ("", "net=198.51.100.0/24,restrict=on")
# What an emulated machine is spared: a kernel with every driver, a second kernel by the updates of today, and what is
# only recommended. Of that, the power button needs one: logind starts with dbus alone.
SPARING = b"""\
d-i apt-setup/services-select multiselect
d-i base-installer/install-recommends boolean false
d-i base-installer/kernel/image string linux-image-cloud-amd64
d-i base-installer/initramfs-tools/driver-policy select dep
d-i pkgsel/upgrade select none
"""
SILENCE = 1200
LIMIT = 7200


def answers(mirror: str) -> dict[str, bytes]:
    """The vm's answers, and what only this test wants."""
    spec = a_spec(os=ROW, memory_mib=1024, nics=NICS, mirror=mirror, packages=("dbus",), guest_agent=True)
    files = dict(seed_files(systems()[ROW], VM_ID, spec, SECRETS))
    files["preseed.cfg"] += UNSIGNED + SPARING
    return files


def installation(guest: Guest) -> list[dict[str, Any]]:
    """What the installer tells up to its end, shown as it comes."""
    begun = time.monotonic()
    told: list[dict[str, Any]] = []
    while not told or told[-1]["name"] != "installed":
        said = guest.until("phase", "failed", timeout=SILENCE)[-1]
        assert said["type"] == "phase", said["log"]
        print(f"{time.monotonic() - begun:6.0f} s  {said['percent']:3} %  {said['name']}", flush=True)
        told.append(said)
    return told


@pytest.mark.netboot
@pytest.mark.timeout(LIMIT)
def test_debians_installer_installs_what_was_asked_and_the_disk_boots(
    tmp_path: Path, store: MasterStore, guests: list[Guest]
) -> None:
    medium = netboot_medium(store, ROW)
    mirror = made(RELEASE, kernel_of(medium.path), CACHE / "udeb-mirror")
    with relayed(mirror) as port:
        guest = machine(tmp_path, medium, answers(f"http://10.0.2.2:{port}/debian"), NETWORKS)
        guests.append(guest)
        told = installation(guest)
    assert list(dict.fromkeys(said["name"] for said in told)) == list(PHASES[: PHASES.index("installed") + 1])
    percents = [said["percent"] for said in told]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    hello = guest.message("hello", timeout=SILENCE)
    assert hello["hostname"] == "web-1"
    report = guest.report_with("198.51.100.10/24")
    links = {link["mac"]: link for link in report["interfaces"]}
    first, second = links[NICS[0].mac], links[NICS[1].mac]
    assert (first["name"], first["up"]) == ("outer0", True)
    assert "10.0.2.77/24" in first["addresses"]
    assert (second["name"], second["up"], second["mtu"]) == ("inner0", True, 1400)
    assert any(route["via"] == "10.0.2.2" and route["dev"] == "outer0" for route in report["routes"])
    guest.press_power()
    assert guest.process.wait(timeout=300) == 0, "the installed system obeys its power button"
