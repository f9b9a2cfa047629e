# SPDX-License-Identifier: Apache-2.0
"""The artifact server: hosts fetch masters, media and seeds from it, and the api hands it what users send.

    GET, HEAD /artifacts/<sha256>?t=TOKEN     a master or a medium
    GET, HEAD /images/<vm>/<name>?t=TOKEN     what was made for one vm; <name>.iso of an overlay is the whole image
    HEAD, PUT /uploads/<medium>/<size>?t=TOKEN    how far a medium's upload is (Upload-Offset); a piece of it
    GET       /healthz, /readyz               /readyz is 503 from the moment on that the process is asked to end
Ranges are served; files go out by sendfile. 403 without a token for just this path, 404 when there is no such file.
"""

import fcntl
import json
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from services.common.contracts.errors import InnkeeperError
from services.common.formats.spliced import Spliced
from services.common.runtime.log import get_logger
from services.common.runtime.signing import BadSignature, verify_url_token
from services.imagebuilder.media.uploads import Piece, Uploads
from services.imagebuilder.metrics import BYTES_SERVED, REQUESTS, watch_room
from services.imagebuilder.places import Places

log = get_logger(__name__)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_UPLOAD = re.compile(r"/uploads/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(\d{1,18})")
_IDLE_S = 60
_END_S = 0.25  # so long a server that is asked to end may not have noticed
_LINGER_S, _LINGER_BYTES = 2.0, 64 << 20


class ArtifactServer:
    """Serves in its own thread until closed."""

    def __init__(
        self,
        bind: str,
        places: Places,
        public_pem: str,
        uploads: Uploads | None = None,
        ending: Callable[[], bool] = lambda: False,
    ):
        host, _, port = bind.rpartition(":")
        handler = type("Handler", (_Handler,), {"places": places, "public_pem": public_pem, "uploads": uploads})
        self._server = _Server((host.strip("[]"), int(port)), handler, ending)
        self._state_dir = places.state_dir
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(_END_S,), name="artifacts", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> "ArtifactServer":
        """Begin to serve."""
        watch_room(self._state_dir)
        self._thread.start()
        return self

    def close(self, patience_s: float = 0.0) -> None:
        """End it; answers under way get so much time, and are cut off then."""
        self._server.shutdown()
        self._server.server_close()
        self._server.wait_quiet(patience_s)
        self._server.cut()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Any, ending: Callable[[], bool]):
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._connections: set[socket.socket] = set()
        self._answering = 0
        self.ending = ending
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A request is being answered during the block."""
        with self._lock:
            self._answering += 1
        try:
            yield
        finally:
            with self._quiet:
                self._answering -= 1
                self._quiet.notify_all()

    def wait_quiet(self, seconds: float) -> bool:
        """Wait until no request is being answered, at most so long; whether none is."""
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._answering, seconds)

    def cut(self) -> None:
        """End every connection: one that waits for its next request would go on being served."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError as error:  # its other end has gone
                    log.debug("a connection was gone", reason=str(error))

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A host that went away between two requests is no error of ours; anything else should be seen.
        reason = sys.exception()
        if isinstance(reason, ConnectionError):
            log.debug("a host went away", reason=str(reason))
        else:
            log.exception("a request failed")


class _AsItComes:
    """A body whose reads don't wait for more than there is: of a connection that breaks, nothing that came is lost."""

    def __init__(self, body: Any):
        self.read = body.read1


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    places: Places
    public_pem: str
    uploads: Uploads | None  # None: nothing is taken in
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "innkeeper", ""
    timeout = _IDLE_S

    def do_GET(self) -> None:
        self._answer(lambda: self._serve(body=True))

    def do_HEAD(self) -> None:
        self._answer(lambda: self._serve(body=False))

    def do_PUT(self) -> None:
        self._answer(self._receive)

    def _answer(self, answer: Callable[[], None]) -> None:
        with self.server.answering():
            self.close_connection |= self.server.ending()
            answer()

    def _receive(self) -> None:
        # What isn't read of the body must not be taken for the next request.
        self.close_connection = True
        if not self._admitted(True) or not self._take_in():
            self._linger()

    def _take_in(self) -> bool:
        """Receive a piece of an upload, and answer; False when it was refused."""
        path, length = urlsplit(self.path).path, self.headers.get("Content-Length", "")
        found, start = _UPLOAD.fullmatch(path), self.headers.get("Upload-Offset", "0")
        if found is None or self.uploads is None or not length.isdecimal() or not start.isdecimal():
            self._say(404, {"code": "not-found", "detail": "nothing is taken in here"}, True)
            return False
        piece = Piece(found[1], int(found[2]), int(start), int(length))
        try:
            have = self.uploads.receive(piece, _AsItComes(self.rfile))
        except InnkeeperError as error:
            self._refuse(error, True)
            return False
        except (ConnectionError, TimeoutError) as error:
            log.info("an upload broke off", path=path, reason=str(error))
            return True
        self.close_connection = have != piece.start + piece.length
        self._say(200, {"offset": have, "size": piece.size}, True, {"Upload-Offset": str(have)})
        return True

    def _linger(self) -> None:
        """Let whoever is still sending read the refusal: closing at once would take it away from him."""
        self.wfile.flush()
        left = _LINGER_BYTES
        try:
            self.connection.settimeout(_LINGER_S)
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and (chunk := self.connection.recv(min(left, 1 << 16))):
                left -= len(chunk)
        except OSError as error:
            log.debug("a sender has gone", reason=str(error))

    def _admitted(self, body: bool) -> bool:
        url = urlsplit(self.path)
        try:
            verify_url_token(url.path, parse_qs(url.query).get("t", [""])[0], self.public_pem)
        except BadSignature as error:
            self._say(403, {"code": "forbidden", "detail": f"this URL needs a valid token for its path: {error}"}, body)
            return False
        return True

    def _serve(self, body: bool) -> None:
        path = urlsplit(self.path).path
        if path == "/healthz":
            self._say(200, {"status": "ok"}, body)
            return
        if path == "/readyz":
            ending = self.server.ending()
            self._say(503 if ending else 200, {"status": "draining" if ending else "ok"}, body)
            return
        if not self._admitted(body):
            return
        try:
            self._find(path, body)
        except (BrokenPipeError, ConnectionResetError, TimeoutError) as error:
            self.close_connection = True
            log.info("a host broke off", path=path, reason=str(error))

    def _find(self, url_path: str, body: bool) -> None:
        path, overlay, upload = self.places.find(url_path), self.places.overlay(url_path), _UPLOAD.fullmatch(url_path)
        if path is not None:
            self._send(path, body)
        elif overlay is not None:
            self._splice(overlay, body)
        elif upload is not None and self.uploads is not None and not body:
            self._tell_upload(self.uploads, upload[1], int(upload[2]))
        else:
            self._say(404, {"code": "not-found", "detail": "there is no such file"}, body)

    def _tell_upload(self, uploads: Uploads, medium: str, size: int) -> None:
        try:
            offset = uploads.offset(medium, size)
        except InnkeeperError as error:
            self._refuse(error, False)
        else:
            self._say(200, {}, False, {"Upload-Offset": str(offset)})

    def _refuse(self, error: InnkeeperError, body: bool) -> None:
        # A HEAD has no body to say it in.
        self._say(error.status, {"code": error.code, "detail": error.detail}, body, {"Refusal": error.detail})

    def _send(self, path: Path, body: bool) -> None:
        with open(path, "rb") as file:
            # While it is being sent it isn't collected.
            fcntl.flock(file, fcntl.LOCK_SH)
            size = os.fstat(file.fileno()).st_size
            self._stream(size, lambda start, n: self.connection.sendfile(file, start, n), body)

    def _splice(self, overlay: Path, body: bool) -> None:
        try:
            image = Spliced(overlay)
        except (OSError, ValueError) as error:
            log.error("an image can't be read", image=str(overlay), reason=str(error))
            self._say(503, {"code": "unavailable", "detail": "the image's master is gone; build the image again"}, body)
            return
        with image:
            self._stream(image.size, lambda start, n: image.send(self.connection, start, n), body)

    def _stream(self, size: int, send: Callable[[int, int], int], body: bool) -> None:
        """Answer with what the Range header asks for of `size` bytes; `send` sends so many from an offset."""
        extent = _extent(self.headers.get("Range", ""), size)
        if extent is None:
            headers = {"Content-Range": f"bytes */{size}"}
            self._say(416, {"code": "range", "detail": "no such range"}, body, headers)
            return
        start, length = extent
        partial = length != size
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "private, no-store")
        self.send_header("Content-Length", str(length))
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{start + length - 1}/{size}")
        self.end_headers()
        if body and length:
            self.wfile.flush()
            sent = send(start, length)
            BYTES_SERVED.inc(sent)
            # A file that ended early: whoever reads must not take the next answer for the rest of this one.
            self.close_connection |= sent != length

    def _say(self, status: int, answer: dict[str, Any], body: bool, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        # The query holds the token: only the path is told.
        REQUESTS.labels(str(int(code))).inc()
        log.debug("served", path=urlsplit(self.path).path, status=int(code))

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("http", message=(format % args).split("?", 1)[0])


def _extent(header: str, size: int) -> tuple[int, int] | None:
    """(start, length) of a Range header; the whole file when there is none to obey, None when it can't be met."""
    found = _RANGE.fullmatch(header.strip())
    if not found or not any(found.groups()):
        return 0, size
    first, last = found.groups()
    if not first:
        start = max(0, size - int(last))
        return (start, size - start) if int(last) and size else None
    start, end = int(first), min(int(last) if last else size - 1, size - 1)
    return (start, end - start + 1) if start <= end else None
