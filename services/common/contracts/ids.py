# SPDX-License-Identifier: Apache-2.0
"""Identifiers: UUIDs whose order is the order of their making (RFC 9562, version 7)."""

import os
import time
from uuid import UUID, uuid5


def new_id() -> str:
    """A fresh UUIDv7 as text: sorts by time, so lists are stable under insert."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (noise >> 68) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    return str(UUID(int=value))


def derived_id(parent: str, *parts: object) -> str:
    """The id that these parts always have under `parent` (a UUID): the same order has the same id."""
    return str(uuid5(UUID(parent), "/".join(str(p) for p in parts)))
