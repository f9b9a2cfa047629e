# SPDX-License-Identifier: Apache-2.0
"""When a request may be sent again, and after how long. Pure: no clock, no network."""

from collections.abc import Mapping
from dataclasses import dataclass

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class RetryPolicy:
    """At most `attempts` tries; the pause doubles from `first_s`, and no Retry-After above `longest_s` is obeyed."""

    attempts: int = 5
    first_s: float = 0.2
    longest_s: float = 30.0

    def pause(self, attempt: int, retry_after: str, chance: float) -> float:
        """Seconds before try `attempt` + 1; `chance` in 0..1 spreads clients that failed together."""
        doubled: float = min(self.first_s * 2.0 ** (attempt - 1), self.longest_s)
        asked = float(retry_after) if retry_after.strip().isdecimal() else 0.0
        return max(doubled * (0.5 + chance / 2), min(asked, self.longest_s))


def lost_answer_is_harmless(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request whose fate is unknown may be sent again: reads, and whatever carries an Idempotency-Key."""
    return method in SAFE_METHODS or "Idempotency-Key" in headers


def asks_again(status: int, code: str) -> bool:
    """Whether an answer means "not now": nothing was done, or the first try of the same key is still at work."""
    return status in (429, 503) or (status == 409 and code == "still-running")
