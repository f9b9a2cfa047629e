# SPDX-License-Identifier: Apache-2.0
"""Numbers and moments as people say them. Pure."""

from collections.abc import Mapping
from datetime import datetime


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in one unit: 12s, 5m, 3h, 9d; "" where unknown."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def span(seconds: float) -> str:
    """A duration: 0.8s, 12s, 2m05s, 1h02m."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def memory(mib: int) -> str:
    """Memory in the largest unit that needs no fraction; "" for none."""
    if not mib:
        return ""
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


def size(count: int | None) -> str:
    """Bytes in the largest unit above one: 17 B, 3.4 MiB, 1.2 GiB; "" where unknown."""
    if count is None:
        return ""
    shown, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if shown < 1024:
            break
        shown, unit = shown / 1024, larger
    return f"{count} B" if unit == "B" else f"{shown:.1f} {unit}"


def pairs(values: Mapping[str, object]) -> str:
    """a=1, b=2"""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def clean(text: str) -> str:
    """One printable line: guests and servers write these words, and a terminal obeys what it is sent."""
    return "".join(c if c.isprintable() else " " if c in "\n\t\r" else "?" for c in text)


def lines(text: str) -> list[str]:
    """A text of many lines, each made printable; tabs become blanks."""
    return [clean(line.expandtabs()) for line in text.splitlines()]
