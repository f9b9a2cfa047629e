# SPDX-License-Identifier: Apache-2.0
"""The floor: the same vm by libvirt-python alone, with nothing of ours between the caller and the hypervisor."""

import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

import libvirt

from services.hostagent.drivers.libvirt.qcow2 import write_qcow2
from tests.support.stack import Stack

_loop_started = False


def _start_loop() -> None:
    global _loop_started
    if _loop_started:
        return
    libvirt.virEventRegisterDefaultImpl()

    def loop() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()
    _loop_started = True


class Started:
    """When each domain was started, by the hypervisor's own events, found by a piece of its XML or its name."""

    def __init__(self, uri: str):
        _start_loop()
        self._connection = libvirt.open(uri)
        self._times: list[tuple[str, float]] = []
        self._changed = threading.Condition()
        kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        self._connection.domainEventRegisterAny(None, kind, self._note, None)

    def _note(self, _connection: object, domain: "libvirt.virDomain", event: int, *_: object) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            with self._changed:
                self._times.append((domain.name(), time.time()))
                self._changed.notify_all()

    def wait(self, vm: str, timeout: float) -> float:
        """The time the domain whose name holds the vm's id (or is this name) was started."""
        from services.common.contracts.vm import hypervisor_name

        suffix = hypervisor_name(vm, "x").removeprefix("x") if re.fullmatch(r"[0-9a-f-]{36}", vm) else vm
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for name, at in self._times:
                    if name.endswith(suffix):
                        return at
                if not self._changed.wait(end - time.monotonic()):
                    raise AssertionError(f"{vm} was never started; seen: {self._times[-5:]}")


class Bare:
    """Makes vms after the pattern of one that the platform made: its XML, its seed, its overlay."""

    def __init__(self, uri: str, stack: Stack, directory: Path, started: Started):
        self._connection = libvirt.open(uri)
        self._directory = directory
        self._started = started
        directory.mkdir()
        made = stack.create("pattern")
        stack.finish(made["job"]["id"])
        domain = next(d for d in self._connection.listAllDomains() if d.name().startswith("pattern-"))
        self._xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        self._vm = made["vm"]["id"]
        self._name = domain.name()
        self._uuid = domain.UUIDString()
        self._mac = re.findall(r"<mac address='([^']+)'/>", self._xml)[0]
        files = re.findall(r"<source file='([^']+)'", self._xml)
        self._kept = {}
        for n, path in enumerate(files):
            self._kept[path] = directory / f"pattern-{n}"
            shutil.copyfile(path, self._kept[path])
        gone = stack.http.delete(f"/v1/vms/{self._vm}")
        stack.finish(gone.json()["job"]["id"])

    def _make(self, name: str) -> "libvirt.virDomain":
        home = self._directory / name
        home.mkdir()
        xml, mac = self._xml, f"52:54:00:{token_hex(1)}:{token_hex(1)}:{token_hex(1)}"
        for n, (path, kept) in enumerate(self._kept.items()):
            copy = home / f"disk-{n}"
            if path.endswith(".qcow2"):
                write_qcow2(copy, 1 << 30)
            else:
                # Each guest's seed names its own NIC: the floor's guests have as much to do as ours.
                copy.write_bytes(kept.read_bytes().replace(self._mac.encode(), mac.encode()))
            xml = xml.replace(path, str(copy))
        xml = re.sub(r"<channel type='unix'>.*?</channel>", self._channel(home), xml, flags=re.S)
        xml = re.sub(r"<log file='[^']+'", f"<log file='{home}/console.log'", xml)
        xml = xml.replace(self._mac, mac)
        # Last: the id is part of the paths above.
        xml = xml.replace(self._name, name).replace(self._uuid, str(uuid4())).replace(self._vm, str(uuid4()))
        domain = self._connection.defineXML(xml)
        domain.create()
        return domain

    def _channel(self, home: Path) -> str:
        return (
            f"<channel type='unix'><source mode='bind' path='{home}/p'/>"
            "<target type='virtio' name='org.innkeeper.guest.0'/></channel>"
        )

    def one(self, name: str) -> float:
        """Seconds from nothing to the started event; the domain is gone afterwards."""
        begun = time.time()
        domain = self._make(name)
        seconds = self._started.wait(name, 60) - begun
        self._end(domain, name)
        return seconds

    def storm(self, count: int, wide: int) -> float:
        """VMs per second, `wide` at a time."""
        begun = time.time()
        names = [f"barestorm-{n:03}" for n in range(count)]
        with ThreadPoolExecutor(wide) as pool:
            domains = list(pool.map(self._make, names))
        rate = count / (max(self._started.wait(name, 60) for name in names) - begun)
        for domain, name in zip(domains, names, strict=True):
            self._end(domain, name)
        return rate

    def _end(self, domain: "libvirt.virDomain", name: str) -> None:
        domain.destroy()
        domain.undefine()
        shutil.rmtree(self._directory / name)
