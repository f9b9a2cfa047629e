# SPDX-License-Identifier: Apache-2.0
"""Spans as OpenTelemetry's SDK makes and sends them: OTLP over HTTP, in batches, from a thread of its own.

Imported by `tracing` alone, and only where traces are wanted. The SDK reads its own OTEL_* variables.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.common.runtime.tracing import Value, root_of, trace_of

Attributes = Mapping[str, Value]
Times = tuple[float, float]  # began, ended, by the clock
_root: ContextVar[str] = ContextVar("root", default="")  # the job whose root span is being made


class _Ids(RandomIdGenerator):
    """Random ids, but those of a job's root span, which follow from the job's."""

    def generate_trace_id(self) -> int:
        job = _root.get()
        return trace_of(job) if job else super().generate_trace_id()

    def generate_span_id(self) -> int:
        job = _root.get()
        return root_of(job) if job else super().generate_span_id()


class _Told:
    def __init__(self, span: Span):
        self._span = span

    def set(self, **attributes: Value) -> None:
        """Add what became known meanwhile."""
        self._span.set_attributes(_named(attributes))

    def failed(self, reason: str) -> None:
        """What it stands for did not work out."""
        self._span.set_status(Status(StatusCode.ERROR, reason))


class Otlp:
    """The spans of one process."""

    def __init__(self, service: str):
        resource = Resource.create({"service.name": f"innkeeper-{service}", "service.namespace": "innkeeper"})
        self._provider = TracerProvider(resource=resource, id_generator=_Ids())
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("innkeeper")

    @contextmanager
    def span(self, name: str, job: str, attributes: Attributes) -> Iterator[_Told]:
        """What is done in the block; an exception makes it an error, whose kind alone is told."""
        begun = self._tracer.start_span(
            name, _under(job), SpanKind.CONSUMER, _named({**attributes, "job": job}), record_exception=False
        )
        told = _Told(begun)
        try:
            yield told
        except BaseException as error:
            told.failed(type(error).__name__)
            raise
        finally:
            begun.end()

    def tell(self, name: str, job: str, times: Times, attributes: Attributes) -> None:
        """A span that is over."""
        began, ended = map(_ns, times)
        told = self._tracer.start_span(
            name, _under(job), SpanKind.INTERNAL, _named({**attributes, "job": job}), start_time=began
        )
        told.end(ended)

    def request(self, name: str, job: str, times: Times, caller: str, attributes: Attributes) -> None:
        """A request: a job's root, linked to the caller's span, or else a part of the caller's trace."""
        began, ended = map(_ns, times)
        theirs = TraceContextTextMapPropagator().extract({"traceparent": caller}, Context())
        known = get_current_span(theirs).get_span_context()
        links = [Link(known)] if job and known.is_valid else []
        token = _root.set(job)
        try:
            told = self._tracer.start_span(
                name,
                Context() if job else theirs,
                SpanKind.SERVER,
                _named({**attributes, **({"job": job} if job else {})}),
                links,
                began,
            )
        finally:
            _root.reset(token)
        if int(attributes.get("http.response.status_code", 0)) >= 500:
            told.set_status(Status(StatusCode.ERROR))
        told.end(ended)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _under(job: str) -> Context:
    if not job:
        return Context()
    root = SpanContext(trace_of(job), root_of(job), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(root), Context())


def _named(attributes: Attributes) -> dict[str, Value]:
    return {name if "." in name else f"innkeeper.{name}": value for name, value in attributes.items()}


def _ns(at: float) -> int:
    return int(at * 1e9)
