# SPDX-License-Identifier: Apache-2.0
"""The mirror by HTTP on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.support.udeb_mirror.making import Mirror
from tests.support.udeb_mirror.packing import FOLDER

ROOT = "/debian/"


def content(mirror: Mirror, path: str) -> bytes | None:
    """What lies at the path; None where nothing does."""
    if path in mirror.own:
        return mirror.own[path]
    if path.startswith(f"{FOLDER}/"):
        file = mirror.packed / path.rpartition("/")[2]
        return file.read_bytes() if file.is_file() else None
    if path.startswith("pool/"):
        kept = mirror.origin.file(path)
        return kept.read_bytes() if kept else None
    # Other forms of the index of components would tell of those that aren't here.
    return None if "/debian-installer/" in path else mirror.origin.read(path)


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, mirror: Mirror, *arguments: Any):
        self._mirror = mirror
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = unquote(self.path)
        found = content(self._mirror, path.removeprefix(ROOT)) if path.startswith(ROOT) else None
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(found)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """The test's output stays readable."""


@contextmanager
def relayed(mirror: Mirror) -> Iterator[int]:
    """The port it is served at, under /debian, for the length of the block."""
    handler: type[BaseRequestHandler] | Any = partial(_Relay, mirror)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
