# SPDX-License-Identifier: Apache-2.0
"""What of a guest's talk is worth handing on, and how fast it may talk. Pure: time comes in as an argument."""

from typing import Any

SELDOM_S = 10.0
_SELDOM = frozenset({"heartbeat", "load"})


class Allowance:
    """A budget that fills with time: `rate` a second, up to `burst`."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, now

    def take(self, amount: float, now: float) -> bool:
        """Spend it; False, and nothing spent, when there isn't enough."""
        self._refill(now)
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def overdraw(self, amount: float, now: float) -> float:
        """Spend it in any case; the seconds until the budget is out of debt, 0 when it is."""
        self._refill(now)
        self._left -= amount
        return max(0.0, -self._left / self._rate)

    def _refill(self, now: float) -> None:
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now


class News:
    """Tells news from repetition: a report counts when it differs or was asked for, heartbeat and load now and then."""

    def __init__(self) -> None:
        self._report: dict[str, Any] | None = None
        self._told: dict[str, float] = {}
        self._asked = False

    def asked(self) -> None:
        """The next report counts even if it says nothing new."""
        self._asked = True

    def worth(self, message: dict[str, Any], now: float) -> bool:
        """Whether to hand it on."""
        kind = message["type"]
        if kind in _SELDOM:
            if now - self._told.get(kind, -SELDOM_S) < SELDOM_S:
                return False
            self._told[kind] = now
        if kind == "report":
            if message == self._report and not self._asked:
                return False
            self._report, self._asked = message, False
        return True
