# SPDX-License-Identifier: Apache-2.0
"""A vm whose disk is sent to vSphere: an import under a lease, which lapses when nobody says how far it is."""

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyVmomi import vim

from services.common.contracts.errors import HostFailed, InnkeeperError, TryAgain
from services.common.runtime.log import get_logger
from services.hostagent.drivers.base import Copied
from services.hostagent.drivers.vsphere.connections import Connection
from services.hostagent.drivers.vsphere.host_facts import host_for_new
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.tasks import State, Watched, refuse, settled
from services.hostagent.drivers.vsphere.vmdk import Streamed

log = get_logger(__name__)
_CHUNK = 1 << 20
_TELL_EVERY_S = 20.0  # a lease lapses after five minutes of silence
_READY_S = 600.0
_PATHS = ("state", "error", "info")
_TYPE = "application/x-vnd.vmware-streamVmdk"
_LOST = ("ManagedObjectNotFound", "InvalidState")
_GOOD, _LAPSED, _FULL = (200, 201, 204), (401, 403, 404, 410), 507


@dataclass(frozen=True)
class _Sending:
    """A disk on its way, and who hears how far it is beside the server."""

    lease: Any
    disk: Streamed
    copied: Copied


def import_vm(at: Hypervisor, doing: str, spec: Any, disk: Streamed, copied: Copied) -> Any:
    """The new vm, once its one disk has arrived whole. What is left of one that failed bears the mark in `spec`."""
    lease = at.call(doing, lambda seat, place: _begin(seat, place, spec))
    try:
        info = _ready(at, doing, lease)
        _send(at, doing, _Sending(lease, disk, copied), info)
        _held(at, doing, lambda _seat, _place: lease.HttpNfcLeaseComplete())
    except InnkeeperError as error:
        _call_off(at, doing, lease, error)
        raise
    return info.entity


def _begin(seat: Seat, place: Place, spec: Any) -> Any:
    return place.pool.ImportVApp(spec, place.folder, host_for_new(seat, place))


def _ready(at: Hypervisor, doing: str, lease: Any) -> Any:
    """Where the disk is to be sent to."""
    state = settled(at.session, doing, Watched(lease, vim.HttpNfcLease, _PATHS, _is_settled, _still), _READY_S)
    refuse(at.session, doing, state.get("error"))
    if state.get("state") != vim.HttpNfcLease.State.ready or state.get("info") is None:
        raise TryAgain(f"{doing}: the lease is {state.get('state')}")
    return state["info"]


def _is_settled(state: State) -> bool:
    return state.get("state") not in (None, vim.HttpNfcLease.State.initializing)


def _still(state: State) -> str:
    return f"its lease is still {state.get('state')}"


def _send(at: Hypervisor, doing: str, sending: _Sending, info: Any) -> None:
    place = next((one for one in info.deviceUrl if one.disk), None)
    if place is None:
        raise HostFailed(f"{doing}: the server doesn't say where to send the disk to")
    headers = {"Content-Type": _TYPE, "Content-Length": str(sending.disk.size)}
    with _connected(at, place) as connection:
        chunks = _told(at, doing, sending)
        answer = connection.sent("POST", urlsplit(place.url).path or "/", headers, chunks)
        _check(answer, doing)


def _connected(at: Hypervisor, place: Any) -> Connection:
    """To vCenter itself, or to one of its hosts, whose certificate it tells."""
    where, (host, port) = urlsplit(place.url), at.session.address
    if where.hostname in ("*", host):
        return Connection(host, port if where.hostname == "*" else where.port or 443, at.session.context, place.url)
    thumbprint = (place.sslThumbprint or "").replace(":", "").lower()
    context = _of_one(at, thumbprint)
    return Connection(where.hostname or "", where.port or 443, context, f"https://{where.hostname}", thumbprint)


def _of_one(at: Hypervisor, thumbprint: str) -> ssl.SSLContext:
    """Hosts sign their certificates themselves; the connection then takes the one of that thumbprint alone."""
    if not thumbprint:
        return at.session.context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _told(at: Hypervisor, doing: str, sending: _Sending) -> Iterator[bytes]:
    """The file's bytes; how far they are is told now and then, which keeps the lease."""
    told, sent = time.monotonic(), 0
    with _opened(sending.disk.path) as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            sent += len(chunk)
            percent = 100.0 * sent / max(1, sending.disk.size)
            sending.copied(percent)
            if time.monotonic() - told >= _TELL_EVERY_S:
                told = time.monotonic()
                _held(at, doing, partial(_tell, sending.lease, min(99, int(percent))))


def _held(at: Hypervisor, doing: str, what: Callable[[Seat, Place], object]) -> None:
    """Do something with the lease; TryAgain where there is none any more."""
    try:
        at.call(doing, what)
    except HostFailed as error:
        if error.extra.get("vsphere") in _LOST:
            raise TryAgain(f"{doing}: the lease has lapsed: {error.detail}") from error
        raise


def _tell(lease: Any, percent: int, _seat: Seat, _place: Place) -> None:
    lease.HttpNfcLeaseProgress(percent)


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise HostFailed(f"reading {path.name}: {error}") from error


def _check(answer: HTTPResponse, doing: str) -> None:
    if answer.status in _GOOD:
        return
    text = f"{doing}: the server answered {answer.status} {answer.reason}"
    later = answer.status in _LAPSED or (answer.status >= 500 and answer.status != _FULL)
    raise TryAgain(text) if later else HostFailed(text)


def _call_off(at: Hypervisor, doing: str, lease: Any, error: InnkeeperError) -> None:
    """Let the server remove what it has; one that can't hear it does so when the lease lapses."""
    fault = vim.fault.Timedout(msg=error.detail)
    try:
        at.call(doing, lambda _seat, _place: lease.HttpNfcLeaseAbort(fault))
    except InnkeeperError as refused:
        log.info("an import could not be called off", doing=doing, detail=refused.detail)
