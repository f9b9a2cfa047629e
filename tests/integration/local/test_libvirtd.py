# SPDX-License-Identifier: Apache-2.0
"""The private libvirtd: guests outlive it, it meets them again, and it leaves nothing behind after a purge."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

from deploy.local.pid import Pid
from deploy.local.servers import Libvirtd, Server, ServerError, libvirtd_room
from tests.support.missing import missing
from tests.support.waiting import until

DOMAIN = """
<domain type='qemu'><name>guest</name><memory unit='MiB'>64</memory>
 <os><type arch='x86_64' machine='q35'>hvm</type></os>
 <devices><serial type='pty'><log file='/var/log/libvirt/qemu/guest-serial.log'/></serial>
  <interface type='network'><source network='net'/></interface>
  <channel type='unix'><target type='virtio' name='org.innkeeper.test'/></channel></devices></domain>"""
NETWORK = """
<network><name>net</name><bridge name='virbr251'/><forward mode='nat'/>
 <ip address='10.251.0.1' netmask='255.255.255.0'><dhcp><range start='10.251.0.9' end='10.251.0.20'/></dhcp></ip>
</network>"""


@pytest.fixture
def libvirtd(short_dir: Path, start: Callable[[Server], Server]) -> Iterator[Libvirtd]:
    if os.geteuid() != 0 and not os.environ.get("CI"):
        missing("root, for a private libvirtd without asking for sudo's password")
    server = start(Libvirtd(short_dir, netns=True))
    assert isinstance(server, Libvirtd)
    yield server
    server.purge()


def guests(server: Libvirtd) -> list[int]:
    return [pid for pid in libvirtd_room.members(server.directory) if libvirtd_room.is_guest(pid)]


def test_the_first_guest_starts_within_seconds(libvirtd: Libvirtd) -> None:
    """TCG without a /dev/kvm to fall into; the trap costs a minute."""
    connection = libvirt.open(libvirtd.url)
    connection.networkCreateXML(NETWORK)
    began = time.monotonic()
    domain = connection.createXML(DOMAIN)
    elapsed = time.monotonic() - began
    assert domain.isActive()
    assert elapsed < 3  # 0.2 s alone on two cores; the suite runs beside others
    connection.close()


@pytest.mark.parametrize("how", [Libvirtd.stop, Libvirtd.kill])
def test_guests_and_networks_outlive_libvirtd_and_are_met_again(
    libvirtd: Libvirtd, how: Callable[[Libvirtd], None]
) -> None:
    connection = libvirt.open(libvirtd.url)
    connection.networkDefineXML(NETWORK).create()
    uuid = connection.createXML(DOMAIN).UUIDString()
    connection.close()
    before = guests(libvirtd)
    how(libvirtd)
    assert not libvirtd.ready()
    assert guests(libvirtd) == before
    libvirtd.start()
    connection = libvirt.open(libvirtd.url)
    domain = connection.lookupByUUIDString(uuid)
    assert domain.isActive()
    assert connection.networkLookupByName("net").isActive()
    domain.destroy()
    assert not connection.listAllDomains()
    connection.createXML(DOMAIN)
    connection.close()


def test_a_crashed_libvirtd_is_started_again_by_its_keeper(libvirtd: Libvirtd) -> None:
    crashed = next(pid for pid in libvirtd.pids() if Path(f"/proc/{pid.pid}/comm").read_text() == "libvirtd\n")
    os.kill(crashed.pid, 9)
    until(lambda: not crashed.alive() and libvirtd.ready(), 20, "another libvirtd")


def test_the_room_shows_kvm_only_where_it_was_found_to_work(short_dir: Path, start: Callable[[Server], Server]) -> None:
    there = Path("/dev/kvm").exists()  # where there is none, none is shown
    for kvm in (False, True):
        server = start(Libvirtd(short_dir, kvm=kvm, netns=True))
        libvirtd = server.pids()[-1].pid
        assert Path(f"/proc/{libvirtd}/root/dev/kvm").exists() is (kvm and there)
        assert Path(f"/proc/{libvirtd}/root/dev/net/tun").exists() is Path("/dev/net/tun").exists()
        server.wipe()


def test_a_purge_ends_everything_and_nothing_else(libvirtd: Libvirtd) -> None:
    connection = libvirt.open(libvirtd.url)
    connection.networkCreateXML(NETWORK)
    connection.createXML(DOMAIN)
    connection.close()
    room = [pid for number in libvirtd_room.members(libvirtd.directory) if (pid := Pid.of(number))]
    assert len(room) >= 6  # keeper, virtlogd, libvirtd, qemu, dnsmasq twice
    libvirtd.purge()
    assert not [pid for pid in room if pid.alive()]
    assert not os.path.ismount(libvirtd.directory / "netns")
    libvirtd.start()
    connection = libvirt.open(libvirtd.url)
    assert not connection.listAllDomains()
    connection.close()


def test_the_machines_own_libvirt_is_untouched(libvirtd: Libvirtd) -> None:
    libvirt.open(libvirtd.url).networkDefineXML(NETWORK)
    assert (libvirtd.directory / "etc/qemu/networks/net.xml").exists()
    assert not Path("/etc/libvirt/qemu/networks/net.xml").exists()
    assert not Path("/run/libvirt/libvirt-sock").exists() or not os.path.samefile(
        "/run/libvirt/libvirt-sock", libvirtd.directory / "run/libvirt-sock"
    )


def test_a_deep_directory_is_reached_by_a_short_link(short_dir: Path) -> None:
    server = Libvirtd(short_dir / ("deep" * 20) / ("deeper" * 5))
    server.directory.mkdir(parents=True)
    path = server.url.partition("socket=")[2]
    assert len(path) <= 107
    assert Path(path).parent.parent.resolve() == server.directory
    Path(path).parent.parent.unlink()


def test_a_missing_program_names_the_package(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(ServerError, match="libvirt-daemon-system"):
        Libvirtd(short_dir).prepare()
