# SPDX-License-Identifier: Apache-2.0
"""The end of a worker: what is in hand is finished, or handed back when the grace period is over."""

import threading

from celery.signals import worker_shutting_down

from services.common.runtime.worker_end import AskedToEnd, LastResort


def asked_to_end() -> AskedToEnd:
    asked = AskedToEnd()
    assert not asked
    worker_shutting_down.send(sender="a worker")
    assert asked
    return asked


def test_what_takes_longer_than_the_grace_period_is_handed_back_before_the_process_ends() -> None:
    done: list[str] = []
    ended = threading.Event()

    def hand_back() -> list[str]:
        done.append("handed back")
        return ["job-1"]

    def end(code: int) -> None:
        done.append(f"ended with {code}")
        ended.set()

    LastResort(asked_to_end(), 0.05, hand_back, end)
    assert ended.wait(5)
    assert done == ["handed back", "ended with 0"]


def test_a_process_ends_even_where_nothing_can_be_handed_back() -> None:
    ended = threading.Event()

    def hand_back() -> list[str]:
        raise OSError("the database is away")

    LastResort(asked_to_end(), 0.01, hand_back, lambda _: ended.set())
    assert ended.wait(5)


def test_who_has_finished_in_time_hands_nothing_back() -> None:
    asked, handed_back = asked_to_end(), threading.Event()

    def hand_back() -> list[str]:
        handed_back.set()
        return []

    last_resort = LastResort(asked, 0.3, hand_back, lambda _: None)
    last_resort.finished()
    assert not handed_back.wait(asked.left(0.3) + 0.1)
    assert asked.left(0.3) == 0.0
