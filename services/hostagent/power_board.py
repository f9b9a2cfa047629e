# SPDX-License-Identifier: Apache-2.0
"""The last known power of every vm, and a place to wait for a change."""

import threading
from collections.abc import Callable

_SLOTS = 1024  # vms share them: to look once more than needed costs little, and nothing grows


class PowerBoard:
    """Written by whoever sees a change, from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._powers: dict[str, str] = {}
        self._changes = 0
        self._acts = [0] * _SLOTS

    def acts(self, vm: str) -> int:
        """A number that is another one once a command has ended on the vm; for `tell`."""
        with self._changed:
            return self._acts[hash(vm) % _SLOTS]

    def acted(self, vm: str) -> None:
        """A command has ended on the vm and will be reported: what was seen before is no news after that."""
        with self._changed:
            self._acts[hash(vm) % _SLOTS] += 1

    def tell(self, vm: str, power: str, acts: int, report: Callable[[], None]) -> bool:
        """Note and `report` the power, where it is news; False where a command has ended since `acts`: look again.

        The report is made under the lock, so that it can't overtake, or be overtaken by, the report of a command.
        """
        with self._changed:
            if self._acts[hash(vm) % _SLOTS] != acts:
                return False
            if self._note(vm, power):
                report()
            return True

    def note(self, vm: str, power: str) -> bool:
        """Write it down; whether it is news."""
        with self._changed:
            return self._note(vm, power)

    def _note(self, vm: str, power: str) -> bool:
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
