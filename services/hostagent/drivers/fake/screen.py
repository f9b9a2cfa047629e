# SPDX-License-Identifier: Apache-2.0
"""The screen of a fake guest: a small PNG in one colour, the vm's own, so that two can be told apart."""

import zlib
from hashlib import sha256

_WIDTH, _HEIGHT = 64, 48
_RGB, _DEPTH = 2, 8


def png(name: str) -> bytes:
    """A picture for this vm; the same each time."""
    colour = sha256(name.encode()).digest()[:3]
    rows = (b"\0" + colour * _WIDTH) * _HEIGHT
    header = _WIDTH.to_bytes(4, "big") + _HEIGHT.to_bytes(4, "big") + bytes((_DEPTH, _RGB, 0, 0, 0))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
