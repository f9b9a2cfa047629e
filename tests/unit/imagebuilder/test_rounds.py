# SPDX-License-Identifier: Apache-2.0
"""What is done now and then goes on after a round that broke, and ends when it is told to."""

from services.imagebuilder.rounds import Rounds
from tests.support.waiting import until


def test_a_round_that_breaks_is_followed_by_the_next() -> None:
    done: list[int] = []

    def once() -> None:
        done.append(1)
        if len(done) == 1:
            raise ValueError("the first one breaks")

    rounds = Rounds(once, 0.01, "a test's rounds broke").start()
    until(lambda: len(done) > 2, 5, "rounds go on")
    rounds.stop()
