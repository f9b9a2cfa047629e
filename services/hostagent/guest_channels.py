# SPDX-License-Identifier: Apache-2.0
"""Listens to the guests of all vms on one thread, each on its own port: who speaks is known by where it is heard."""

import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from services.common.contracts.errors import InnkeeperError
from services.common.contracts.guest_message import Unfit, read_message
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.hostagent import metrics
from services.hostagent.guest_input import Lines
from services.hostagent.guest_talk import Allowance, News

log = get_logger(__name__)

Connect = Callable[[str], socket.socket | None]
Heard = Callable[[str, dict[str, Any]], None]

_ASK = b'{"type":"ask"}\n'
_READ = 65536
_BYTES_PER_S, _BYTES_BURST = 128 << 10, 512 << 10
_LINES_PER_S, _LINES_BURST = 20.0, 200.0
_RETRY_FIRST_S, _RETRY_LAST_S = 0.05, 2.0
# A guest that doesn't answer may not have noticed that somebody listens: a hypervisor tells it once, and a reset may
# swallow that. Its port is opened anew after this long, then ever more seldom: most are still busy booting.
_DEAF_FIRST_S, _DEAF_LAST_S = 15.0, 240.0
_TICK_S = 1.0


class _Guest:
    """One vm's port. Owned by the listening thread."""

    def __init__(self, vm: str, now: float) -> None:
        self.vm = vm
        self.stream: socket.socket | None = None
        self.lines = Lines()
        self.news = News()
        self.bytes = Allowance(_BYTES_PER_S, _BYTES_BURST, now)
        self.talk = Allowance(_LINES_PER_S, _LINES_BURST, now)
        self.retry_s = _RETRY_FIRST_S
        self.next_at = now  # connect, or listen again, not before
        self.muted = False
        self.deaf_s = _DEAF_FIRST_S
        self.deaf_at: float | None = None  # then it hasn't answered for too long


class GuestChannels:
    """`watch` and `leave` may be called from any thread, and repeated. `heard` gets checked messages only."""

    def __init__(self, connect: Connect, heard: Heard) -> None:
        self._connect = connect
        self._heard = heard
        self._lock = threading.Lock()
        self._wanted: dict[str, bool] = {}  # vm -> ask when connected already
        self._guests: dict[str, _Guest] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="guests", daemon=True)
        self._thread.start()

    def watch(self, vm: str, ask: bool = True) -> None:
        """Listen to this vm from now on, reconnecting for ever; `ask` its guest to report again."""
        with self._lock:
            self._wanted[vm] = ask or self._wanted.get(vm, True)
        self._ring()

    def ask_all(self) -> None:
        """Have every guest that is listened to report again: what was told before may have been lost."""
        with self._lock:
            self._wanted = dict.fromkeys(self._wanted, True)
        self._ring()

    def leave(self, vm: str) -> None:
        """Listen to it no longer."""
        with self._lock:
            self._wanted.pop(vm, None)
        self._ring()

    def close(self) -> None:
        """Listen to nobody any more."""
        self._stopping = True
        self._ring()
        self._thread.join(5)

    def _ring(self) -> None:
        try:
            self._bell.send(b"!")
        except BlockingIOError:
            return  # it rings already

    def _run(self) -> None:
        while not self._stopping:
            with going_on(log, "listening to guests stumbled") as course:
                self._turn()
            if course.broke:
                time.sleep(_TICK_S)
        for guest in self._guests.values():
            self._hang_up(guest)
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _turn(self) -> None:
        self._adopt_wishes()
        now = time.monotonic()
        due = [guest.next_at for guest in self._guests.values() if guest.stream is None or guest.muted]
        wait = min([_TICK_S, *(max(0.0, at - now) for at in due)])
        for key, _events in self._selector.select(wait):
            if key.fileobj is self._ear:
                self._ear.recv(4096)
            else:
                self._read(key.data)
        now = time.monotonic()
        for guest in self._guests.values():
            if guest.stream is not None and guest.deaf_at is not None and guest.deaf_at <= now:
                self._hang_up(guest)
                guest.next_at, guest.deaf_s = now, min(_DEAF_LAST_S, guest.deaf_s * 2)
            if guest.next_at <= now:
                if guest.stream is None:
                    self._call(guest, now)
                elif guest.muted:
                    guest.muted = False
                    self._selector.register(guest.stream, selectors.EVENT_READ, guest)

    def _adopt_wishes(self) -> None:
        with self._lock:
            wanted = dict(self._wanted)
            self._wanted = dict.fromkeys(wanted, False)
        for vm in self._guests.keys() - wanted.keys():
            self._hang_up(self._guests.pop(vm))
        for vm, ask in wanted.items():
            guest = self._guests.get(vm)
            if guest is None:
                self._guests[vm] = _Guest(vm, time.monotonic())
            elif ask and guest.stream is not None:
                self._ask(guest)

    def _call(self, guest: _Guest, now: float) -> None:
        try:
            stream = self._connect(guest.vm)
        except InnkeeperError as error:
            log.warning("a guest's port can't be opened", vm=guest.vm, detail=error.detail)
            stream = None
        if stream is None:
            guest.next_at, guest.retry_s = now + guest.retry_s, min(_RETRY_LAST_S, guest.retry_s * 2)
            return
        guest.stream, guest.lines, guest.muted = stream, Lines(), False
        guest.retry_s = _RETRY_FIRST_S
        self._selector.register(stream, selectors.EVENT_READ, guest)
        self._ask(guest)

    def _ask(self, guest: _Guest) -> None:
        guest.news.asked()
        guest.deaf_at = time.monotonic() + guest.deaf_s
        try:
            if guest.stream is not None:
                guest.stream.send(_ASK)
        except BlockingIOError:
            return  # nobody reads at the other end yet; the questions before this one wait there
        except OSError:
            self._hang_up(guest)

    def _read(self, guest: _Guest) -> None:
        if guest.stream is None:
            return
        try:
            data = guest.stream.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(guest)
            return
        now, dropped = time.monotonic(), guest.lines.dropped
        guest.deaf_s, guest.deaf_at = _DEAF_FIRST_S, None
        for line in guest.lines.feed(data):
            self._weigh(guest, line, now)
        metrics.GUEST_LINES.labels("overlong").inc(guest.lines.dropped - dropped)
        debt_s = guest.bytes.overdraw(len(data), now)
        if debt_s and guest.stream is not None:
            # A guest that talks too much is left to block on its own port for a while.
            self._selector.unregister(guest.stream)
            guest.muted, guest.next_at = True, now + debt_s

    def _weigh(self, guest: _Guest, line: bytes, now: float) -> None:
        try:
            message = read_message(line)
        except Unfit as error:
            metrics.GUEST_LINES.labels("unfit").inc()
            log.debug("a guest's line was dropped", vm=guest.vm, reason=str(error))
            return
        if not guest.talk.take(1.0, now):
            metrics.GUEST_LINES.labels("too-many").inc()
            return
        if guest.news.worth(message, now):
            metrics.GUEST_LINES.labels("heard").inc()
            self._heard(guest.vm, message)

    def _hang_up(self, guest: _Guest) -> None:
        stream, guest.stream = guest.stream, None
        if stream is not None:
            if not guest.muted:
                self._selector.unregister(stream)
            stream.close()
        guest.muted = False
        guest.next_at = time.monotonic() + guest.retry_s
        guest.retry_s = min(_RETRY_LAST_S, guest.retry_s * 2)
