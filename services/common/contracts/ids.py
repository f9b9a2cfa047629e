# SPDX-License-Identifier: Apache-2.0
"""Identifiers: UUIDs whose order is the order of their making (RFC 9562, version 7)."""

import os
import time
from hashlib import sha1
from uuid import UUID


def new_id() -> str:
    """A fresh UUIDv7 as text: sorts by time, so lists are stable under insert."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (noise >> 68) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    return str(UUID(int=value))


def derived_id(parent: str, *parts: object) -> str:
    """The id that these parts always have under `parent` (a UUID): the same order has the same id."""
    name = "/".join(str(p) for p in parts)
    digest = sha1(bytes.fromhex(parent.replace("-", "")) + name.encode(), usedforsecurity=False).digest()
    # str(uuid5(UUID(parent), name)) in a third of the time: several of them are on every vm's way.
    text = f"{digest[:6].hex()}{0x5000 | int.from_bytes(digest[6:8], 'big') & 0xFFF:04x}{digest[8] & 0x3F | 0x80:02x}"
    text += digest[9:16].hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
