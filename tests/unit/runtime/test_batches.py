# SPDX-License-Identifier: Apache-2.0
"""Bells answered in batches: none is forgotten, none acknowledged before its batch is done."""

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import InvalidTaskError

from services.common.runtime.batches import MOST, Batches, Bell, strategy


class Desk:
    """Acts on batches, when it is let, and remembers what happened in which order."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.happened: list[str] = []
        self.free = threading.Event()
        self.entered = threading.Event()

    def act(self, jobs: Sequence[str]) -> None:
        self.batches.append(list(jobs))
        self.entered.set()
        self.free.wait(10)
        self.happened.append("acted")
        if "bad" in jobs:
            raise RuntimeError("a fault of ours")

    def bell(self, job: str) -> Bell:
        return Bell(job, lambda kind, _took: self.happened.append(f"{kind} {job}"), lambda action: action())


def test_what_rings_while_a_batch_is_worked_on_is_the_next_batch() -> None:
    desk = Desk()
    batches = Batches(desk.act)
    batches.put(desk.bell("first"))
    assert desk.entered.wait(10)
    for n in range(MOST + 5):
        batches.put(desk.bell(f"j{n}"))
    desk.free.set()
    batches.stop()
    assert [len(batch) for batch in desk.batches] == [1, MOST, 5]
    assert [job for batch in desk.batches for job in batch] == ["first", *(f"j{n}" for n in range(MOST + 5))]


def test_a_bell_after_a_pause_is_done_at_once_and_those_that_follow_are_gathered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.common.runtime.batches.LEAST_GATHER_S", 5.0)
    monkeypatch.setattr("services.common.runtime.batches.MOST_GATHER_S", 5.0)
    monkeypatch.setattr("services.common.runtime.batches.PAUSE_S", -1.0)
    desk = Desk()
    desk.free.set()
    batches = Batches(desk.act)
    batches.put(desk.bell("lone"))
    assert desk.entered.wait(4)
    monkeypatch.setattr("services.common.runtime.batches.PAUSE_S", 60.0)
    for job in ("a", "b"):
        batches.put(desk.bell(job))
    batches.stop()
    assert [job for batch in desk.batches for job in batch] == ["lone", "a", "b"]
    assert desk.batches[0] == ["lone"]


def test_bells_are_acknowledged_after_their_batch_and_told() -> None:
    desk = Desk()
    desk.free.set()
    batches = Batches(desk.act)
    batches.put(desk.bell("a"))
    batches.stop()
    assert desk.happened == ["acted", "task-succeeded a"]


def test_a_batch_that_breaks_is_told_and_ends_nothing() -> None:
    desk = Desk()
    batches = Batches(desk.act)
    batches.put(desk.bell("bad"))
    assert desk.entered.wait(10)
    batches.put(desk.bell("good"))
    desk.free.set()
    batches.stop()
    assert desk.happened == ["acted", "task-failed bad", "acted", "task-succeeded good"]


class Connection:
    """What Celery hands to a strategy."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.acks: list[tuple[Any, ...]] = []
        self.event_dispatcher = SimpleNamespace(
            enabled=True, send=lambda kind, **fields: self.sent.append((kind, fields["uuid"]))
        )
        self.connection_errors = (OSError,)

    def call_soon(self, action: Any, *given: Any, **named: Any) -> None:
        action(*given, **named)

    def message(self, payload: Any) -> Any:
        return SimpleNamespace(headers={"id": "u1", "argsrepr": "('j1',)"}, payload=payload)

    def receive(self, batches: Batches, payload: Any) -> None:
        received = strategy(batches)(SimpleNamespace(name="scheduler.place", send_events=True), None, self)
        received(self.message(payload), None, lambda *given: self.acks.append(given), None, None)


def test_a_message_of_celery_becomes_a_bell_that_flower_hears_of() -> None:
    desk, connection = Desk(), Connection()
    desk.free.set()
    batches = Batches(desk.act)
    connection.receive(batches, [["j1"], {}, {}])
    batches.stop()
    assert desk.batches == [["j1"]]
    assert [kind for kind, _ in connection.sent] == ["task-received", "task-succeeded"]
    ((_log, errors),) = connection.acks
    assert errors == (OSError,)


@pytest.mark.parametrize("payload", [None, [], {}, [[]], [["a", "b"]], [[7]], "j1", [{"job": "j1"}]])
def test_a_message_that_names_no_job_is_refused(payload: Any) -> None:
    desk, connection = Desk(), Connection()
    batches = Batches(desk.act)
    with pytest.raises(InvalidTaskError):
        connection.receive(batches, payload)
    batches.stop()
    assert not desk.batches
    assert not connection.acks
