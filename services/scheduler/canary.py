# SPDX-License-Identifier: Apache-2.0
"""Which vms a canary decides for: always the same ones, on every scheduler; a larger share keeps those it had."""

from hashlib import sha256

_STEPS = 10_000  # a share is told to a hundredth of a percent


def tries(request_id: str, canary_sha: str, percent: float) -> bool:
    """Whether the canary decides for this request. Another canary draws other requests."""
    drawn = int.from_bytes(sha256(f"{canary_sha}/{request_id}".encode()).digest()[:8])
    return drawn % _STEPS < percent * (_STEPS / 100)
