# SPDX-License-Identifier: Apache-2.0
"""How many cores each vm kept busy between two looks."""

from services.hostagent.cpu_times import CpuTimes


class Clock:
    """Stands where it is put."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_cores_are_what_was_spent_over_what_passed() -> None:
    clock = Clock()
    times = CpuTimes(clock)
    assert times.cores({"a": 100.0, "b": 7.0}) == {}
    clock.now = 5.0
    assert times.cores({"a": 110.0, "b": 7.0}) == {"a": 2.0, "b": 0.0}


def test_a_vm_started_anew_is_told_from_the_next_look_on() -> None:
    clock = Clock()
    times = CpuTimes(clock)
    times.cores({"a": 100.0})
    clock.now = 5.0
    assert times.cores({"a": 1.0, "new": 3.0}) == {}
    clock.now = 10.0
    assert times.cores({"a": 2.0, "new": 8.0}) == {"a": 0.2, "new": 1.0}


def test_one_that_has_gone_is_forgotten() -> None:
    clock = Clock()
    times = CpuTimes(clock)
    times.cores({"a": 100.0})
    clock.now = 1.0
    assert times.cores({}) == {}
    clock.now = 2.0
    assert times.cores({"a": 200.0}) == {}
