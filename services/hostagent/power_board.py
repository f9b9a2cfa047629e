# SPDX-License-Identifier: Apache-2.0
"""The last known power of every vm, and a place to wait for it to change."""

import threading


class PowerBoard:
    """Written by whoever sees a change, from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._powers: dict[str, str] = {}

    def note(self, vm: str, power: str) -> bool:
        """Write it down; whether it is news."""
        with self._changed:
            news = self._powers.get(vm) != power
            self._powers[vm] = power
            if news:
                self._changed.notify_all()
            return news

    def forget(self, vm: str) -> None:
        """The vm is gone for good."""
        with self._changed:
            self._powers.pop(vm, None)

    def wait(self, timeout_s: float) -> None:
        """Return at the next change of any vm, or when the time is up."""
        with self._changed:
            self._changed.wait(timeout_s)
