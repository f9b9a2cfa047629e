# SPDX-License-Identifier: Apache-2.0
"""What hypervisors' own programs say of guests, told once for each change and, now and then, all over again.

Guests may change what they say as often as they like: only what holds when it is asked for is told.
"""

import threading
import time
from collections.abc import Callable

from services.common.contracts.tools import ToolsFacts

AGAIN_S = 600.0  # whatever became of what was told, it is known after this


class ToolsBoard:
    """May be used from any thread."""

    def __init__(self, tell: Callable[[str, ToolsFacts], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._now: dict[str, ToolsFacts] = {}
        self._told: dict[str, ToolsFacts] = {}
        self._all_at = time.monotonic()

    def note(self, vm: str, facts: ToolsFacts) -> None:
        """A hypervisor says this of a vm's guest."""
        with self._lock:
            self._now[vm] = facts

    def leave(self, vm: str) -> None:
        """The vm is gone."""
        with self._lock:
            self._now.pop(vm, None)
            self._told.pop(vm, None)

    def tell(self) -> None:
        """Hand on what is new."""
        with self._lock:
            if time.monotonic() - self._all_at > AGAIN_S:
                self._all_at = time.monotonic()
                self._told = {}
            new = {vm: facts for vm, facts in self._now.items() if self._told.get(vm) != facts}
        for vm, facts in new.items():
            self._tell(vm, facts)
            with self._lock:
                if vm in self._now:
                    self._told[vm] = facts
