# SPDX-License-Identifier: Apache-2.0
"""Rate limits: sign-ins are counted in Redis for all processes (here, where Redis is away), requests per process."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from services.common.contracts.errors import TooManyRequests

GONE = (redis.RedisError, OSError)
SIGN_IN_TRIES = 10  # wrong or right, per user name and address
SIGN_IN_ADDRESS_TRIES = 100
SIGN_IN_WINDOW_S = 60
REQUESTS_PER_MINUTE = 240_000  # per user and process: stops a runaway loop, not a busy client
GUEST_MESSAGES = 240  # per vm and process: a boot says some thirty things
STRANGERS = 600  # per address and process
_MOST_COUNTERS = 100_000


@dataclass(frozen=True)
class Budget:
    """What is left of a limit, as the RateLimit headers tell it."""

    limit: int
    left: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """RateLimit-Limit, -Remaining, -Reset."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.left)),
            "RateLimit-Reset": str(self.reset_s),
        }


class Limits:
    """Fixed windows. `per_minute` is what one user may ask of one process."""

    def __init__(
        self, client: "redis.Redis", per_minute: int = REQUESTS_PER_MINUTE, clock: Callable[[], float] = time.time
    ):
        self._redis = client
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], int] = {}

    def request(self, user_id: str) -> Budget:
        """Count one request; raises TooManyRequests."""
        return self._spend(f"user:{user_id}", self._per_minute, self._count_here)

    def sign_in(self, username: str, address: str) -> None:
        """Count one try to sign in; raises TooManyRequests."""
        self._spend(f"sign-in:{address}", SIGN_IN_ADDRESS_TRIES, self._count_everywhere)
        self._spend(f"sign-in:{address}:{username.lower()}", SIGN_IN_TRIES, self._count_everywhere)

    def guest(self, vm_id: str) -> None:
        """Count one message of a vm's guest; raises TooManyRequests."""
        self._spend(f"guest:{vm_id}", GUEST_MESSAGES, self._count_here)

    def stranger(self, address: str) -> None:
        """Count one message with a token that nobody has; raises TooManyRequests."""
        self._spend(f"guest-token:{address}", STRANGERS, self._count_here)

    def _spend(self, key: str, limit: int, count: Callable[[str, int], int]) -> Budget:
        now = self._clock()
        window = int(now // SIGN_IN_WINDOW_S)
        reset = int((window + 1) * SIGN_IN_WINDOW_S - now) + 1
        used = count(key, window)
        budget = Budget(limit, limit - used, reset)
        if used > limit:
            raise TooManyRequests(
                f"more than {limit} in {SIGN_IN_WINDOW_S} s; try again in {reset} s",
                extra={"retry_after": reset, "headers": {**budget.headers(), "Retry-After": str(reset)}},
            )
        return budget

    def _count_here(self, key: str, window: int) -> int:
        with self._lock:
            _, oldest = next(iter(self._counts), ("", window))
            if len(self._counts) > _MOST_COUNTERS or oldest != window:
                self._counts = {k: n for k, n in self._counts.items() if k[1] == window}
            self._counts[key, window] = self._counts.get((key, window), 0) + 1
            return self._counts[key, window]

    def _count_everywhere(self, key: str, window: int) -> int:
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.incr(f"innkeeper:limit:{key}:{window}")
                pipe.expire(f"innkeeper:limit:{key}:{window}", 2 * SIGN_IN_WINDOW_S)
                return int(pipe.execute()[0])
        except GONE:
            return self._count_here(key, window)
