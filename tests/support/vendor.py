# SPDX-License-Identifier: Apache-2.0
"""A vendor's server on loopback, with the faults that servers have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Faults:
    """What is wrong with the server; times in seconds."""

    hangs: bool = False  # takes the request and says nothing
    hangs_after: int = 0  # bytes of the body
    drips: bool = False  # a byte now and then
    drips_headers: bool = False
    dies_after: int = 0  # bytes; the connection ends
    lie: int = 0  # so many bytes more than there are, or fewer
    lengthless: bool = False  # doesn't say how much it is
    ranges: bool = True
    status: int = 200
    redirect: str = ""


@dataclass
class Vendor:
    """What the server has, and what it was asked for."""

    body: bytes
    faults: Faults = field(default_factory=Faults)
    url: str = ""
    asked: list[str] = field(default_factory=list)
    leaving: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    vendor: Vendor

    def do_GET(self) -> None:
        vendor, faults, wanted = self.vendor, self.vendor.faults, self.headers.get("Range", "")
        vendor.asked.append(wanted)
        if faults.hangs:
            vendor.leaving.wait()
            return
        if faults.drips_headers:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not vendor.leaving.wait(0.02):
                self.wfile.write(b"X-Slow: x\r\n")
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and faults.ranges else 0
        if start >= len(vendor.body) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(vendor.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._head(start)
        self._body(vendor.body[start:])

    def _head(self, start: int) -> None:
        vendor, faults = self.vendor, self.vendor.faults
        if faults.redirect or faults.status != 200:
            self.send_response(302 if faults.redirect else faults.status)
            self.send_header("Location", faults.redirect)
        else:
            self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(vendor.body) - 1}/{len(vendor.body)}")
        if not faults.lengthless:
            self.send_header("Content-Length", str(len(vendor.body) - start + faults.lie))
        self.end_headers()

    def _body(self, body: bytes) -> None:
        vendor, faults = self.vendor, self.vendor.faults
        if faults.drips:
            for n in range(len(body)):
                self.wfile.write(body[n : n + 1])
                if vendor.leaving.wait(0.02):
                    return
        elif faults.hangs_after:
            self.wfile.write(body[: faults.hangs_after])
            vendor.leaving.wait()
        else:
            self.wfile.write(body[: faults.dies_after] if faults.dies_after else body)

    def log_message(self, format: str, *args: object) -> None:
        """The test's output stays readable."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about."""


@contextmanager
def vendor(body: bytes, faults: Faults | None = None) -> Iterator[Vendor]:
    """A server that has `body` under any path, for the length of the block."""
    state = Vendor(body, faults or Faults())
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"vendor": state}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/medium"
    try:
        yield state
    finally:
        state.leaving.set()
        server.shutdown()
        server.server_close()
        thread.join()
