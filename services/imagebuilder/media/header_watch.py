# SPDX-License-Identifier: Apache-2.0
"""A server that sends its headers byte by byte never runs into a read timeout: after a while its connection is cut."""

import socket
import threading
from types import TracebackType
from typing import Any

from services.common.runtime.log import get_logger

log = get_logger(__name__)
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


class HeaderWatch:
    """A trace of one httpx request, for `with`: the headers must be there when the block ends, within `limit_s`."""

    def __init__(self, limit_s: float):
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True
        self._stream: Any = None
        self.expired = False  # the time was over, and the connection cut

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Told by httpcore what happens; a connection is remembered."""
        if event in _CONNECTED:
            self._stream = info["return_value"]

    def __enter__(self) -> "HeaderWatch":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.expired = True
        connection = self._stream.get_extra_info("socket") if self._stream is not None else None
        if isinstance(connection, socket.socket):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError as error:  # it has ended by itself
                log.debug("a connection was gone", reason=str(error))
