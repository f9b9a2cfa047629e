# SPDX-License-Identifier: Apache-2.0
"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set; without it nothing of OpenTelemetry is imported.

The id of a job is the id of its trace: what the database holds already tells every process where its spans belong, so
no message carries a context, an older agent needs to know nothing, and a bell that is rung again changes nothing. The
span of the request that opened the job is the root; its id follows from the job's, too. Spans carry ids, never secrets.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from services.common.contracts.ids import derived_id

if TYPE_CHECKING:
    from services.common.runtime.otlp import Otlp

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
Value = str | int | float
_exporting: "list[Otlp]" = []  # one, once `start` has found that it is wanted


class Told(Protocol):
    """A span that is under way."""

    def set(self, **attributes: Value) -> None:
        """Add what became known meanwhile."""

    def failed(self, reason: str) -> None:
        """What it stands for did not work out."""


class _Untold:
    def set(self, **attributes: Value) -> None:
        """Nobody listens."""

    def failed(self, reason: str) -> None:
        """Nobody listens."""


def start(service: str, env: Mapping[str, str] | None = None) -> bool:
    """Export this process' spans from now on, if the environment names where to; call it after any fork.

    Where they are wanted and what exports them isn't installed: one message on stderr and exit code 2, as for settings.
    """
    env = os.environ if env is None else env
    if _exporting or not any(env.get(name) for name in ENDPOINTS):
        return bool(_exporting)
    try:
        from services.common.runtime.otlp import Otlp
    except ImportError as error:
        sys.stderr.write(f"settings: {ENDPOINTS[0]} is set; install innkeeper[tracing]: {error}\n")
        sys.exit(2)
    _exporting.append(Otlp(service))
    return True


def stop() -> None:
    """Send what is left, and export nothing more."""
    while _exporting:
        _exporting.pop().close()


def trace_of(job: str) -> int:
    """The id of a job's trace."""
    return int(job.replace("-", ""), 16)


def root_of(job: str) -> int:
    """The id of the span that all others of the job lie under."""
    return int(derived_id(job, "root-span").replace("-", "")[:16], 16)


@contextmanager
def span(name: str, job: str, **attributes: Value) -> Iterator[Told]:
    """What is done in the block, as a span of the job's trace; of a trace of its own where there is no job."""
    if not _exporting:
        yield _Untold()
        return
    with _exporting[0].span(name, job, attributes) as told:
        yield told


def tell(name: str, job: str, began_at: float, **attributes: Value) -> None:
    """A span that began then, by the clock, and ends now."""
    if _exporting:
        _exporting[0].tell(name, job, (began_at, time.time()), attributes)


def tell_request(name: str, job: str, took_s: float, caller: str, **attributes: Value) -> None:
    """A request that has just been answered; the root of the `job` it opened, if it did. `caller` is a traceparent."""
    if _exporting:
        now = time.time()
        _exporting[0].request(name, job, (now - took_s, now), caller, attributes)
