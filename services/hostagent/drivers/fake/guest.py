# SPDX-License-Identifier: Apache-2.0
"""Fake guests: they speak the guest protocol over a socket as a real agent does, all on one thread."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from services.common.contracts.guest import INSTALLED
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.fake.faults import (
    BOOT_FAILS,
    INSTALL_FAILS,
    INSTALL_HANGS,
    NEVER_BOOTS,
    ONLY_TOOLS,
    WRONG_NETWORK,
    Habits,
)
from services.hostagent.drivers.fake.seed import FakeLink
from services.hostagent.drivers.fake.state import FakeVm

_PHASES = ("kernel", "init", "network", "ready")
_INSTALLATION = ("loader up", "network", "partitioning", "packages", "bootloader")
_BREAKS_AT = "packages"
_CONSOLE_LINES = 200
_TOLD = "fake: told to fail"
Look = Callable[[str], FakeVm | None]


class FakeGuests:
    """Everybody inside. `look` tells how a vm is now; a guest falls silent when its vm is off.

    `installed` is told when an installer has done its work.
    """

    def __init__(self, habits: Habits, look: Look, installed: Callable[[str], None]) -> None:
        self._habits = habits
        self._look = look
        self._installed = installed
        self._consoles: dict[str, deque[str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-guests", daemon=True)
        self._thread.start()

    def connect(self, vm: FakeVm) -> socket.socket:
        """The host's end of a new stream to the guest."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        asyncio.run_coroutine_threadsafe(self._live(vm, theirs), self._loop)
        return ours

    def console(self, vm: str) -> str:
        """What the guest wrote on its console lately."""
        return "".join(f"{line}\n" for line in list(self._consoles.get(vm, ())))

    def close(self) -> None:
        """Silence them all; may be repeated."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _live(self, vm: FakeVm, stream: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=stream)
        try:
            with contextlib.suppress(ConnectionError):
                await self._speak(vm, reader, writer)
        finally:
            writer.close()

    async def _speak(self, vm: FakeVm, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent = self._habits.has(NEVER_BOOTS, vm.name) or self._habits.has(ONLY_TOOLS, vm.name)
        if not silent and vm.installs and not self._has_system(vm):
            silent = not await self._install(vm, writer)
        booted_at = vm.started_at + self._habits.boot_s
        if not silent and time.time() < booted_at:
            await self._boot(vm, booted_at - time.time(), writer)
        if not silent and self._habits.has(BOOT_FAILS, vm.name):
            await self._fail(vm, "network", writer)
            silent = True
        wants = not silent
        while self._runs(vm):
            if wants:
                for message in self._story(vm):
                    await _say(writer, message)
            asked = await self._asked(reader)
            wants = asked and not silent
            if not asked and not silent:
                await _say(writer, {"type": "heartbeat", "uptime_s": int(time.time() - vm.started_at)})

    async def _boot(self, vm: FakeVm, seconds: float, writer: asyncio.StreamWriter) -> None:
        for n, phase in enumerate(_PHASES):
            await self._phase(vm, phase, 100 * n // len(_PHASES), writer)
            await asyncio.sleep(seconds / len(_PHASES))

    async def _install(self, vm: FakeVm, writer: asyncio.StreamWriter) -> bool:
        """Play an installation; whether it came to its end."""
        for n, phase in enumerate(_INSTALLATION):
            await self._phase(vm, phase, 100 * n // len(_INSTALLATION), writer)
            if phase == _BREAKS_AT and self._habits.has(INSTALL_HANGS, vm.name):
                return False
            if phase == _BREAKS_AT and self._habits.has(INSTALL_FAILS, vm.name):
                await self._fail(vm, phase, writer)
                return False
            await asyncio.sleep(self._habits.install_s / len(_INSTALLATION))
        self._installed(vm.id)
        await self._phase(vm, INSTALLED, 100, writer)
        return True

    def _has_system(self, vm: FakeVm) -> bool:
        now = self._look(vm.id)
        return now is not None and now.installed

    async def _phase(self, vm: FakeVm, name: str, percent: int, writer: asyncio.StreamWriter) -> None:
        self._consoles.setdefault(vm.id, deque(maxlen=_CONSOLE_LINES)).append(f"{name} {percent} %")
        await _say(writer, {"type": "phase", "name": name, "percent": percent})

    async def _fail(self, vm: FakeVm, phase: str, writer: asyncio.StreamWriter) -> None:
        self._consoles.setdefault(vm.id, deque(maxlen=_CONSOLE_LINES)).append(f"{phase}: {_TOLD}")
        await _say(writer, {"type": "failed", "phase": phase, "log": f"{_TOLD}\nlast line of the log\n"})

    async def _asked(self, reader: asyncio.StreamReader) -> bool:
        """Whether the host asked before the next heartbeat is due."""
        try:
            line = await asyncio.wait_for(reader.readline(), max(0.05, self._habits.heartbeat_s))
        except TimeoutError:
            return False
        if not line:
            raise ConnectionResetError
        return True

    def _runs(self, vm: FakeVm) -> bool:
        now = self._look(vm.id)
        return now is not None and now.power == Power.ON and now.boots == vm.boots

    def _story(self, vm: FakeVm) -> list[dict[str, Any]]:
        boot_id = str(uuid5(NAMESPACE_OID, f"{vm.id}/{vm.boots}"))
        wrong = self._habits.has(WRONG_NETWORK, vm.name)
        return [
            {"type": "hello", "agent": "fake-1", "boot_id": boot_id, "hostname": vm.name, "os": vm.os},
            report(vm.links[1:] if wrong else vm.links, boot_id, vm.name),
            {
                "type": "load",
                "load1": 0.1,
                "memory_total_mib": vm.memory_mib,
                "memory_free_mib": vm.memory_mib // 2,
                "disks": [{"mount": "/", "total_mib": vm.disk_gib * 1024, "free_mib": vm.disk_gib * 512}],
            },
        ]


def report(links: tuple[FakeLink, ...], boot_id: str, hostname: str) -> dict[str, Any]:
    """The report of a guest whose links are these."""
    routes = [_route(link, *route) for link in links for route in link.routes]
    interfaces = [
        {"name": link.name, "mac": link.mac, "mtu": link.mtu, "up": True, "addresses": list(link.addresses)}
        for link in links
    ]
    dns = list(dict.fromkeys(server for link in links for server in link.dns))
    facts = {"interfaces": interfaces, "routes": routes, "dns": dns}
    return {"type": "report", "boot_id": boot_id, "hostname": hostname, **facts}


def _route(link: FakeLink, to: str, via: str, metric: int) -> dict[str, Any]:
    route: dict[str, Any] = {"to": to, "via": via, "dev": link.name}
    return {**route, "metric": metric} if metric else route


async def _say(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()
