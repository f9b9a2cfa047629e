# SPDX-License-Identifier: Apache-2.0
"""Files on a datastore: streamed there by plain HTTP, fetched, removed. Paths are made of ids, never of names."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import quote, urlencode

from pyVmomi import vim

from services.common.contracts.errors import HostFailed, TryAgain
from services.common.formats.qcow2_header import backing_of
from services.common.formats.spliced import Spliced
from services.hostagent.drivers.vsphere.connections import Bytes, Connection
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat, Session
from services.hostagent.drivers.vsphere.settings import VsphereSettings
from services.hostagent.drivers.vsphere.tasks import finish

_CHUNK = 1 << 20
_SIGNED_OUT = (401, 403)
_FULL = 507


class Datastore:
    """The one datastore of our place. All that is ours but the vms' own files lies in one directory."""

    def __init__(self, settings: VsphereSettings, session: Session) -> None:
        self._settings, self._session = settings, session

    def path(self, place: Place, *names: str) -> str:
        """As vSphere writes it: [datastore] directory/name."""
        return f"[{place.datastore_name}] {'/'.join((place.directory, *names))}"

    def make_directory(self, seat: Seat, place: Place, name: str) -> None:
        """Make it, with what is above it; one that is there is fine."""
        try:
            seat.content.fileManager.MakeDirectory(self.path(place, name), place.datacenter, True)
        except vim.fault.FileAlreadyExists:
            return

    def put_file(self, place: Place, name: str, path: Path) -> None:
        """Write a local file there, whole."""
        with _readable(path):
            file = path.open("rb")
        with file:
            size = path.stat().st_size
            self._put(place, name, size, _careful(path, iter(lambda: file.read(_CHUNK), b"")))

    def put_spliced(self, place: Place, name: str, overlay: Path, master: Path) -> None:
        """Write a vm's image there as it is read from its master and its overlay: there is no copy of it anywhere.

        HostFailed when the overlay names another file than the master it came with: that may be any file of ours.
        """
        with _readable(overlay):
            named = backing_of(overlay)
            if named is None or named != master.resolve():
                raise ValueError(f"it is an overlay of {named or 'nothing'}, not of {master.name}")
            image = Spliced(overlay)
        with image:
            self._put(place, name, image.size, _careful(overlay, image.views()))

    def get(self, place: Place, path: str, limit: int) -> bytes:
        """A file of the datastore by vSphere's path; HostFailed when it has more bytes than that."""
        name = path.partition("] ")[2]
        with self._connected() as connection:
            answer = self._answer(connection, "GET", place, name)
            self._check(answer, f"reading {path}")
            data = answer.read(limit + 1)
        if len(data) > limit:
            raise HostFailed(f"reading {path}: it has more than {limit} bytes")
        return data

    def remove(self, place: Place, path: str) -> None:
        """Remove a file, or a directory with all that is in it; what was never there is fine."""
        doing = f"removing {path}"

        def begin(seat: Seat) -> object:
            return seat.content.fileManager.DeleteDatastoreFile_Task(path, place.datacenter)

        try:
            finish(self._session, doing, self._session.call(doing, begin))
        except HostFailed as error:
            if error.extra.get("vsphere") != "FileNotFound":
                raise

    def _put(self, place: Place, name: str, size: int, chunks: Iterable[Bytes]) -> None:
        target = self._target(place, f"{place.directory}/{name}")
        with self._connected() as connection:
            answer = connection.sent("PUT", target, self._headers(size), chunks)
            self._check(answer, f"writing {name} to datastore {place.datastore_name}")

    def _answer(self, connection: Connection, method: str, place: Place, name: str) -> HTTPResponse:
        connection.request(method, self._target(place, name), headers=self._headers())
        return connection.getresponse()

    def _check(self, answer: HTTPResponse, doing: str) -> None:
        if answer.status in (200, 201, 204):
            return
        text = f"{doing}: the server answered {answer.status} {answer.reason}"
        if answer.status in _SIGNED_OUT:
            self._session.lapsed()
            raise TryAgain(text)
        if answer.status >= 500 and answer.status != _FULL:
            raise TryAgain(text)
        raise HostFailed(text)

    def _target(self, place: Place, name: str) -> str:
        where = {"dcPath": place.datacenter_path, "dsName": place.datastore_name}
        return f"/folder/{quote(name)}?{urlencode(where, quote_via=quote)}"

    def _headers(self, size: int | None = None) -> dict[str, str]:
        length = {} if size is None else {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        return {"Cookie": self._session.cookie, **length}

    def _connected(self) -> Connection:
        host, port = self._settings.address
        return Connection(host, port, self._session.context, self._settings.url)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What can't be read on this side is no matter of the server's."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise HostFailed(f"reading {path.name}: {error}") from error


def _careful(path: Path, chunks: Iterable[Bytes]) -> Iterator[Bytes]:
    with _readable(path):
        yield from chunks
