# SPDX-License-Identifier: Apache-2.0
"""Following a job: nothing twice, nothing missed, whatever happens to the connection."""

import pytest

from innkeeper import errors
from innkeeper.client import Client
from innkeeper.models.shape import instant
from innkeeper.sse import ServerEvent, server_events
from tests.support.canned_api import CannedApi, Reply, message, problem, stream

EVENTS = "GET /v1/jobs/j1/events"
JOB = "GET /v1/jobs/j1"
RUNNING = Reply(200, {"id": "j1", "kind": "vm.create", "state": "running"})
DONE = Reply(200, {"id": "j1", "kind": "vm.create", "state": "succeeded"})
FAILED = Reply(
    200,
    {"id": "j1", "kind": "vm.create", "state": "failed", "error": {"code": "x", "title": "No", "detail": "disk full"}},
)
QUEUED, STARTED = message(1, "job.queued"), message(2, "step.started", step="place")
FINISHED, SUCCEEDED = message(3, "step.finished", step="place"), message(4, "job.succeeded")


def journal(*seqs: tuple[int, str]) -> Reply:
    return Reply(200, {"items": [{"job": "j1", "seq": s, "kind": k} for s, k in seqs], "next": None})


def seen(client: Client) -> list[tuple[int | None, str]]:
    return [(e.seq, e.kind) for e in client.jobs.watch("j1", timeout=20)]


WHOLE = [(1, "job.queued"), (2, "step.started"), (3, "step.finished"), (4, "job.succeeded")]


def test_a_stream_is_read_to_the_job_s_end(api: CannedApi, client: Client) -> None:
    progress = message(None, "progress", step="place", percent=40)
    api.on(EVENTS, stream(": hello\n\n", QUEUED, STARTED, progress, FINISHED, SUCCEEDED), journal(*WHOLE))
    api.on(JOB, DONE)
    assert seen(client) == [*WHOLE[:2], (None, "progress"), *WHOLE[2:]]
    assert api.asked[0].headers["accept"] == "text/event-stream"


def test_a_dropped_stream_is_resumed_after_the_last_event_seen(api: CannedApi, client: Client) -> None:
    cut = FINISHED[:20]  # the connection broke in the middle of an event
    api.on(EVENTS, stream(QUEUED, STARTED, cut), stream(STARTED, FINISHED, SUCCEEDED), journal(*WHOLE))
    api.on(JOB, RUNNING, DONE)
    assert seen(client) == WHOLE
    assert [a.headers.get("last-event-id") for a in api.of(EVENTS)][:2] == ["0", "2"]


def test_events_between_the_last_stream_and_the_end_are_fetched(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, stream(QUEUED), journal(*WHOLE))
    api.on(JOB, DONE)
    assert seen(client) == WHOLE


def test_without_event_streams_the_journal_is_polled(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, journal(), journal(*WHOLE[:2]), journal(*WHOLE[:3]), journal(*WHOLE))
    api.on(JOB, RUNNING, RUNNING, DONE)
    assert seen(client) == WHOLE


def test_streams_that_break_at_once_end_in_polling(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, Reply(drop=True), Reply(drop=True), Reply(drop=True), journal(*WHOLE[:2]), journal(*WHOLE))
    api.on(JOB, RUNNING, RUNNING, RUNNING, RUNNING, DONE)
    assert seen(client) == WHOLE


def test_a_job_that_is_retried_while_watched_is_watched_on(api: CannedApi, client: Client) -> None:
    again = stream(message(3, "job.queued"), message(4, "job.succeeded"))
    api.on(EVENTS, stream(QUEUED, message(2, "job.failed")), again, journal())
    api.on(JOB, RUNNING, DONE)
    assert [kind for _, kind in seen(client)] == ["job.queued", "job.failed", "job.queued", "job.succeeded"]


def test_a_job_nobody_knows_is_not_found_at_once(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, problem(404, "not-found", "no such job"))
    with pytest.raises(errors.NotFound):
        seen(client)


def test_an_expired_token_is_renewed_before_the_stream_begins(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, problem(401, "unauthenticated", "expired"), stream(SUCCEEDED), journal())
    api.on(JOB, DONE)
    api.on("POST /v1/auth/refresh", Reply(200, {"access_token": "access-2"}))
    assert seen(client) == [(4, "job.succeeded")]
    assert api.of(EVENTS)[1].headers["authorization"] == "Bearer access-2"


def test_wait_raises_for_a_failed_job_and_says_why(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, stream(message(1, "job.failed")), journal())
    api.on(JOB, FAILED)
    with pytest.raises(errors.JobFailed, match="disk full"):
        client.jobs.wait("j1")
    assert client.jobs.wait("j1", check=False).state == "failed"


def test_waiting_ends_at_its_timeout(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, lambda asked: stream(QUEUED) if "stream" in asked.headers["accept"] else journal(*WHOLE[:1]))
    api.on(JOB, RUNNING)
    with pytest.raises(errors.WaitTimeout):
        client.jobs.wait("j1", timeout=0.2)


def test_a_percentage_in_the_journal_s_data_is_the_event_s(api: CannedApi, client: Client) -> None:
    api.on(EVENTS, stream(message(1, "guest.phase", data={"percent": 40}), SUCCEEDED), journal())
    api.on(JOB, DONE)
    assert [e.percent for e in client.jobs.watch("j1")] == [40.0, None]


def test_event_stream_lines_become_events() -> None:
    lines = [": ping", "", "id: 7", "event: a", "data: one", "data:two", "", "data: x", "", "id: 9", "data: cut"]
    assert list(server_events(lines)) == [ServerEvent("a", "one\ntwo", "7"), ServerEvent("message", "x")]


def test_moments_are_read_from_text_and_from_seconds() -> None:
    assert instant("2026-01-31T12:00:00.5Z") == instant("2026-01-31T13:00:00.500000+01:00") == instant(1769860800.5)
