# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server on a free port that gives prepared answers and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """One answer; `drop` closes the connection without any."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False


Answer = Reply | Callable[[Asked], Reply]


class CannedApi:
    """Answers by "METHOD /path": in the order given, the last one again and again."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()

    def on(self, route: str, *answers: Answer) -> None:
        """Give these answers to that route."""
        self._answers[route] = list(answers)

    def of(self, route: str) -> list[Asked]:
        """What that route was asked."""
        return [a for a in self.asked if f"{a.method} {a.path}" == route]

    def answer(self, asked: Asked) -> Reply:
        """The next answer for this request."""
        with self._lock:
            self.asked.append(asked)
            answers = self._answers.get(f"{asked.method} {asked.path}")
            if not answers:
                return problem(404, "not-found", f"no answer prepared for {asked.method} {asked.path}")
            chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        return chosen if isinstance(chosen, Reply) else chosen(asked)


def problem(status: int, code: str, detail: str, **more: Any) -> Reply:
    """A problem document."""
    headers = more.pop("headers", {})
    title = more.pop("title", code)
    body = {"type": f"urn:innkeeper:error:{code}", "title": title, "status": status, "code": code, "detail": detail}
    return Reply(status, body | more, {"Content-Type": "application/problem+json", **headers})


def stream(*messages: str) -> Reply:
    """An event stream of these messages, after which the connection ends."""
    return Reply(200, "".join(messages), {"Content-Type": "text/event-stream"})


def message(seq: int | None, kind: str, **data: Any) -> str:
    """One server-sent event as the API writes it."""
    body = json.dumps({"job": "j1", "vm": "v1", "seq": seq, "kind": kind, "at": "2026-01-31T12:00:00.000000Z"} | data)
    head = f"id: {seq}\n" if seq is not None else ""
    return f"{head}event: {kind}\ndata: {body}\n\n"


@contextmanager
def serving() -> Iterator[CannedApi]:
    """A canned API that listens on loopback until the block ends."""
    api = CannedApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(api: CannedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
            headers = {k.lower(): v for k, v in self.headers.items()}
            binary = headers.get("content-type") == "application/octet-stream"
            body = raw if binary else json.loads(raw) if raw else None
            asked = Asked(self.command, parts.path, query, headers, body)
            self._send(api.answer(asked))

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve

        def _send(self, reply: Reply) -> None:
            if reply.drop:
                self.close_connection = True
                return
            body = reply.body if isinstance(reply.body, str | bytes) else json.dumps(reply.body)
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: the tests look at `asked`."""

    return Handler
