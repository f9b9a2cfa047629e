# SPDX-License-Identifier: Apache-2.0
"""Plain HTTPS beside the API's calls: one connection for one file, and what is sent over it as it is read."""

import socket
import struct
from collections.abc import Iterable, Mapping
from hashlib import sha1
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from ssl import SSLContext

from services.common.contracts.errors import TryAgain
from services.hostagent.drivers.vsphere.session import TIMEOUT_S

Bytes = bytes | memoryview


class Connection(HTTPSConnection):
    """One connection for one file; what breaks it is TryAgain.

    `thumbprint`: the sha1 of the one certificate that is accepted besides what the context asks for, "" any.
    """

    def __init__(self, host: str, port: int, context: SSLContext, url: str, thumbprint: str = "") -> None:
        super().__init__(host, port, timeout=TIMEOUT_S, context=context)
        self._url, self._thumbprint = url, thumbprint

    def connect(self) -> None:
        super().connect()
        # The kernel keeps the time from here on: a socket of Python's with a time-out asks it before each write.
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            self.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(TIMEOUT_S), 0))
        self.sock.settimeout(None)
        shown = sha1(self.sock.getpeercert(binary_form=True) or b"", usedforsecurity=False).hexdigest()
        if self._thumbprint and shown != self._thumbprint:
            raise ConnectionError("it shows another certificate than the vCenter says it has")

    def sent(self, method: str, target: str, headers: Mapping[str, str], chunks: Iterable[Bytes]) -> HTTPResponse:
        """The answer to a request with this body; a server that refuses it in the middle says why in its answer."""
        try:
            self.putrequest(method, target)
            for header, value in headers.items():
                self.putheader(header, value)
            self.endheaders()
            for chunk in chunks:
                self.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self.getresponse()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        self.close()
        if isinstance(error, HTTPException | OSError):
            raise TryAgain(f"a file of {self._url}: {error or type(error).__name__}") from error
