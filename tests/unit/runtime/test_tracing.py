# SPDX-License-Identifier: Apache-2.0
"""Spans of a job lie in its trace whatever process they come from; nothing is imported where nobody wants them."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from services.common.contracts.ids import new_id
from services.common.runtime import tracing
from tests.support.collector import Collector, collecting

CALLERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        for name, value in found.env.items():
            monkeypatch.setenv(name, value)
        assert tracing.start("test")
        yield found
        tracing.stop()


def test_the_request_that_opened_a_job_is_the_root_of_its_trace_and_linked_to_its_caller(collector: Collector) -> None:
    job = new_id()
    with tracing.span("place", job, vm="v1") as told:
        told.set(outcome="done")
    tracing.tell_request("POST /v1/vms", job, 0.5, CALLERS, **{"http.response.status_code": 202})
    tracing.tell_request("GET /v1/vms", "", 0.1, CALLERS)
    tracing.stop()
    step, root = sorted(collector.of(job), key=lambda span: span.name, reverse=True)
    assert (step.parent, root.parent) == (root.id, "")
    assert step.attributes == {"innkeeper.vm": "v1", "innkeeper.job": job, "innkeeper.outcome": "done"}
    assert root.links == ("4bf92f3577b34da6a3ce929d0e0e4736",)
    assert 0.49 < root.seconds < 0.6
    [read] = [span for span in collector.spans() if span.name == "GET /v1/vms"]
    assert (read.trace, read.parent) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


def test_what_breaks_off_is_told_by_its_kind_and_not_by_its_words(collector: Collector) -> None:
    with pytest.raises(ValueError), tracing.span("build", new_id()):
        raise ValueError("a secret")
    tracing.stop()
    assert b"ValueError" in collector.bodies[0]
    assert b"a secret" not in collector.bodies[0]


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_nothing_of_opentelemetry_is_imported_unless_it_is_wanted(endpoint: str) -> None:
    code = (
        "import sys; from services.common.runtime import tracing\n"
        "tracing.start('x')\n"
        "with tracing.span('a', ''): pass\n"
        "print('opentelemetry' in sys.modules)"
    )
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "PYTHONPATH": ".", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(bool(endpoint))


def test_a_process_that_shall_tell_traces_and_cannot_says_so_and_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "services.common.runtime.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SystemExit) as ended:
        tracing.start("x", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert ended.value.code == 2
    assert "innkeeper[tracing]" in capsys.readouterr().err
