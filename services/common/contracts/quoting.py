# SPDX-License-Identifier: Apache-2.0
"""A text somebody gave us, in a sentence about it."""

_MOST = 60


def quoted(text: str) -> str:
    """In quotes, with what can't be printed spelt out, and cut where it is long."""
    return repr(text if len(text) <= _MOST else text[: _MOST - 3] + "...")
