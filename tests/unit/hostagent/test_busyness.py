# SPDX-License-Identifier: Apache-2.0
"""The load that a host was above for a twentieth of a while; nothing is said of a while that is hardly known."""

from services.hostagent.busyness import WINDOWS_S, Busyness

SHORT, LONG = WINDOWS_S


class Told:
    """Samples every five seconds, by a clock of their own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.busyness = Busyness(lambda: self.now)

    def beats(self, count: int, percent: float) -> None:
        for _ in range(count):
            self.now += 5.0
            self.busyness.note(percent)


def test_short_peaks_count_for_nothing_and_longer_ones_do() -> None:
    told = Told()
    told.beats(57, 10.0)
    told.beats(3, 90.0)
    assert told.busyness.p95(SHORT) == 10.0
    told.beats(1, 90.0)
    assert told.busyness.p95(SHORT) == 90.0


def test_nothing_is_said_before_half_of_the_window_is_known() -> None:
    told = Told()
    assert told.busyness.p95(SHORT) is None
    told.beats(30, 40.0)
    assert told.busyness.p95(SHORT) is None
    told.beats(1, 40.0)
    assert (told.busyness.p95(SHORT), told.busyness.p95(LONG)) == (40.0, None)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    told = Told()
    told.beats(800, 80.0)
    told.beats(61, 20.0)
    assert (told.busyness.p95(SHORT), told.busyness.p95(LONG)) == (20.0, 80.0)
    told.now += 10 * LONG  # it slept
    told.busyness.note(5.0)
    assert (told.busyness.p95(SHORT), told.busyness.p95(LONG)) == (None, None)
