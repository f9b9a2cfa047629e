# SPDX-License-Identifier: Apache-2.0
"""A connection to libvirtd that comes back: whoever needs it gets a living one, or TryAgain."""

import threading
from collections.abc import Callable

import libvirt

from services.common.contracts.errors import InnkeeperError, TryAgain
from services.common.runtime.log import get_logger
from services.hostagent.drivers.libvirt.event_loop import run_event_loop
from services.hostagent.drivers.libvirt.vendor_errors import ours

log = get_logger(__name__)
_KEEPALIVE_S, _KEEPALIVE_MISSES = 5, 3
_RETRY_S = 1.0

Opened = Callable[[libvirt.virConnect], None]


class Connection:
    """One libvirtd. `opened` is called with each new connection, to register for events."""

    def __init__(self, uri: str, opened: Opened) -> None:
        run_event_loop()
        self._uri = uri
        self._opened = opened
        self._lock = threading.Lock()
        self._conn: libvirt.virConnect | None = None
        self._lost = threading.Event()
        self._closing = threading.Event()
        threading.Thread(target=self._mend, name="libvirt-mend", daemon=True).start()

    def get(self) -> libvirt.virConnect:
        """The living connection, opened when there is none; TryAgain when libvirtd can't be reached."""
        conn = self._conn
        if conn is not None and not self._lost.is_set():
            return conn
        with self._lock:
            return self._reopen()

    def close(self) -> None:
        """Close it for good."""
        self._closing.set()
        self._lost.set()
        with self._lock:
            self._drop()

    def _reopen(self) -> libvirt.virConnect:
        if self._conn is not None and not self._lost.is_set():
            return self._conn
        if self._closing.is_set():
            raise TryAgain("the agent is shutting down")
        self._drop()
        try:
            conn = libvirt.open(self._uri)
            self._lost.clear()
            conn.registerCloseCallback(self._on_close, None)
            conn.setKeepAlive(_KEEPALIVE_S, _KEEPALIVE_MISSES)
            self._opened(conn)
        except libvirt.libvirtError as error:
            self._lost.set()
            raise ours(f"connecting to {self._uri}", error) from error
        self._conn = conn
        log.info("connected to libvirt", uri=self._uri)
        return conn

    def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is None:
            return
        try:
            conn.unregisterCloseCallback()
            conn.close()
        except libvirt.libvirtError as error:
            log.debug("closing a dead connection", error=str(error))

    def _on_close(self, _conn: libvirt.virConnect, reason: int, _opaque: object) -> None:
        log.warning("libvirt is gone", uri=self._uri, reason=reason)
        self._lost.set()

    def _mend(self) -> None:
        """Reconnect by itself, so that events flow again although nobody commands anything."""
        while not self._closing.is_set():
            self._lost.wait()
            if self._closing.is_set():
                return
            try:
                self.get()
            except TryAgain as error:
                log.debug("libvirt is still away", detail=error.detail)
            except InnkeeperError as error:
                log.error("libvirt refuses", detail=error.detail)
            self._closing.wait(_RETRY_S)
