# SPDX-License-Identifier: Apache-2.0
"""A collector of traces on loopback: takes OTLP over HTTP, as any collector does, and keeps what it got."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """A span as it arrived; ids in hex."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    seconds: float
    links: tuple[str, ...] = ()


@dataclass
class Collector:
    """What was collected: the bodies as they came, and the spans in them."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a process that shall send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def of(self, job: str) -> list[Seen]:
        """The spans of a job's trace."""
        return [span for span in self.spans() if span.trace == job.replace("-", "")]

    def spans(self) -> list[Seen]:
        """Every span so far."""
        return [span for body in list(self.bodies) for span in _spans(body)]


def _spans(body: bytes) -> Iterator[Seen]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
        for span in (s for scope in resource.scope_spans for s in scope.spans):
            yield Seen(
                service.removeprefix("innkeeper-"),
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                {a.key: a.value.string_value for a in span.attributes},
                (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                tuple(link.trace_id.hex() for link in span.links),
            )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector for the length of the block."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Collector(f"http://127.0.0.1:{server.server_address[1]}", bodies)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
