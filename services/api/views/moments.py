# SPDX-License-Identifier: Apache-2.0
"""Times as they are shown: RFC 3339 in UTC with microseconds."""

from datetime import UTC, datetime


def moment(seconds: float | None) -> str | None:
    """Epoch seconds as "2026-01-31T12:00:00.000000Z"; None stays None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
