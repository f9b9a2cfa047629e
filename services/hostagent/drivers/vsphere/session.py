# SPDX-License-Identifier: Apache-2.0
"""One signed-in session that all threads share. Whoever calls gets a living one, or TryAgain."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from gzip import decompress
from http.client import HTTPException
from ssl import SSLCertVerificationError, SSLContext
from typing import Any, TypeVar

from pyVmomi import SoapStubAdapter, vim

from services.common.contracts.errors import HostFailed, TryAgain
from services.common.runtime.log import get_logger
from services.hostagent.drivers.vsphere.settings import VsphereSettings
from services.hostagent.drivers.vsphere.trust import trusted
from services.hostagent.drivers.vsphere.vendor_errors import AWAY, FAULTS, ours

log = get_logger(__name__)
T = TypeVar("T")
TIMEOUT_S = 30.0
WIDTH = 8  # calls at the server at any time, those that wait for a change left aside
_IDLE_S = 20  # a server drops idle connections sooner than the library's 15 minutes
_API = "vim.version.version11"  # of vSphere 6.5: all we need is in it, and everything newer still speaks it
_OLDEST = (6, 5)
_ACTION, _XML = "urn:vim25/6.5", {"Content-Type": "text/xml; charset=utf-8"}


@dataclass(frozen=True)
class Seat:
    """A sign-in. What the server made for it (views, collectors) is gone with it."""

    number: int
    content: Any


class Session:
    """See the module. The password goes into one call and is kept nowhere."""

    def __init__(self, settings: VsphereSettings, timeout_s: float = TIMEOUT_S) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        self._lock = threading.Lock()
        self._turn = threading.BoundedSemaphore(WIDTH)
        self._seat: Seat | None = None
        self._number = 0
        self._stub: Any = None
        self._context: SSLContext | None = None

    def call(self, doing: str, what: Callable[[Seat], T], waits: bool = False) -> T:
        """What `what` returns; it is called again when the server has signed us out meanwhile.

        Its errors become ours, saying what we were `doing`. `waits`: the call waits for a change and takes no turn.
        """
        for last in (False, True):
            seat = self._signed_in()
            try:
                with nullcontext() if waits else self._turn:
                    return what(seat)
            except vim.fault.NotAuthenticated as error:
                self._drop(seat)
                if last:
                    raise ours(doing, error) from error
            except AWAY as error:
                self._stub.DropConnections()
                if isinstance(error, SSLCertVerificationError):
                    self._doubt()
                raise ours(doing, error) from error
            except FAULTS as error:
                raise ours(doing, error) from error
        raise TryAgain(doing)  # never reached: the second round returns or raises

    @property
    def context(self) -> SSLContext:
        """The trust of every connection to this server; there is one once a call was made."""
        if self._context is None:
            raise TryAgain(f"{self._settings.url} was not reached yet")
        return self._context

    @property
    def address(self) -> tuple[str, int]:
        """The server's host and port."""
        return self._settings.address

    @property
    def cookie(self) -> str:
        """What shows a plain HTTP request to be of this session."""
        return str(self._stub.cookie).split(";", 1)[0]

    def post(self, body: bytes) -> bytes | None:
        """The answer to a request as it is, for use within a call; None where the server refuses it."""
        connection = self._stub.GetConnection()
        headers = {"Cookie": self._stub.cookie, "SOAPAction": _ACTION, "Accept-Encoding": "gzip", **_XML}
        try:
            connection.request("POST", self._stub.path, body, headers)
            answer = connection.getresponse()
            data: bytes = answer.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        self._stub.ReturnConnection(connection)
        if answer.status != 200:
            return None
        return decompress(data) if answer.headers.get("Content-Encoding") == "gzip" else data

    def lapsed(self) -> None:
        """A plain HTTP request was told that we are signed out: sign in before the next call."""
        with self._lock:
            self._seat = None

    def close(self) -> None:
        """Sign out, if the server is there to hear it."""
        with self._lock:
            seat, self._seat = self._seat, None
        if seat is None:
            return
        try:
            seat.content.sessionManager.Logout()
        except FAULTS as error:
            log.debug("signing out of a dead session", error=str(error))
        self._stub.DropConnections()

    def _signed_in(self) -> Seat:
        seat = self._seat
        if seat is not None:
            return seat
        with self._lock:
            if self._seat is None:
                self._seat = self._sign_in()
            return self._seat

    def _drop(self, seat: Seat) -> None:
        with self._lock:
            if self._seat is seat:
                self._seat = None

    def _doubt(self) -> None:
        """The server shows another certificate than before: the next sign-in looks at it and says which."""
        with self._lock:
            self._seat, self._context = None, None

    def _sign_in(self) -> Seat:
        if self._context is None:
            self._context = trusted(self._settings, self._timeout_s)
            self._stub = self._new_stub(self._context)
        # One stub for all sign-ins: what was found by an earlier one stays usable.
        self._stub.SetSessionId("")
        doing = f"signing in to {self._settings.url} as {self._settings.user}"
        try:
            content: Any = vim.ServiceInstance("ServiceInstance", self._stub).RetrieveContent()
            _check_version(self._settings.url, content.about.apiVersion)
            content.sessionManager.Login(self._settings.user, self._settings.password(), None)
        except FAULTS as error:
            self._stub.DropConnections()
            raise ours(doing, error) from error
        self._number += 1
        log.info("signed in to vSphere", url=self._settings.url, version=content.about.version)
        return Seat(self._number, content)

    def _new_stub(self, context: SSLContext) -> Any:
        host, port = self._settings.address
        return SoapStubAdapter(
            host=host,
            port=port,
            version=_API,
            poolSize=WIDTH,
            sslContext=context,
            httpConnectionTimeout=self._timeout_s,
            connectionPoolTimeout=_IDLE_S,
        )


def _check_version(url: str, version: str) -> None:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        raise HostFailed(f"{url} speaks version {version} of the vSphere API; 6.5 is the oldest that will do")
