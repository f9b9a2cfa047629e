# SPDX-License-Identifier: Apache-2.0
"""The last known power of every vm, and a place to wait for a change."""

import threading


class PowerBoard:
    """Written by whoever sees a change, from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._powers: dict[str, str] = {}
        self._changes = 0

    def note(self, vm: str, power: str) -> bool:
        """Write it down; whether it is news."""
        with self._changed:
            news = self._powers.get(vm) != power
            self._powers[vm] = power
            if news:
                self._changes += 1
                self._changed.notify_all()
            return news

    def forget(self, vm: str) -> None:
        """The vm is gone for good."""
        with self._changed:
            self._powers.pop(vm, None)

    def changes(self) -> int:
        """How many changes there were; for `wait`."""
        with self._changed:
            return self._changes

    def wait(self, since: int, timeout_s: float) -> None:
        """Return once there was a change of any vm after `since`, or when the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != since, timeout_s)
