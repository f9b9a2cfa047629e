# SPDX-License-Identifier: Apache-2.0
"""OpenPGP public keys as people paste them (RFC 9580), read as far as to name them by their fingerprints. Pure."""

import hashlib
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator

_PUBLIC_KEY = 6  # the packet of a primary key; its subkeys have another tag
_KEY_ID = 16  # hexadecimal digits


def fingerprints(armoured: str) -> tuple[str, ...]:
    """Of every primary key in the block, in upper case; ValueError says why it has none."""
    lines = armoured.strip().split("\n")
    if "" not in lines:
        raise ValueError("has no empty line before its data")
    body = [line for line in lines[lines.index("") + 1 : -1] if not line.startswith("=")]
    try:
        data = b64decode("".join(body), validate=True)
    except Error as error:
        raise ValueError("is not whole: its data is no base64") from error
    packets = list(_packets(data))
    if not packets or packets[0][0] != _PUBLIC_KEY:
        raise ValueError("does not begin with a public key")
    return tuple(_fingerprint(content) for tag, content in packets if tag == _PUBLIC_KEY)


def key_id(fingerprint: str) -> str:
    """What version 4 calls a key in short."""
    return fingerprint[-_KEY_ID:]


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise ValueError("is not made of OpenPGP's packets")
        tag, size, begin = _new(data, at) if head & 0x40 else _old(data, at)
        at = begin + size
        if begin > len(data) or at > len(data):
            raise ValueError("is cut off")
        yield tag, data[begin:at]


def _new(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, length and place of a packet's content."""
    tag, first = data[at] & 0x3F, int.from_bytes(data[at + 1 : at + 2])
    if first < 192:
        return tag, first, at + 2
    if first < 224:
        return tag, (first - 192 << 8) + int.from_bytes(data[at + 2 : at + 3]) + 192, at + 3
    if first < 255:
        raise ValueError("has a packet in pieces, which no key has")
    return tag, int.from_bytes(data[at + 2 : at + 6]), at + 6


def _old(data: bytes, at: int) -> tuple[int, int, int]:
    tag, kind = data[at] >> 2 & 0x0F, data[at] & 3
    if kind == 3:
        raise ValueError("has a packet without a length, which no key has")
    width: int = (1, 2, 4)[kind]
    return tag, int.from_bytes(data[at + 1 : at + 1 + width]), at + 1 + width


def _fingerprint(content: bytes) -> str:
    if content[:1] != b"\x04":
        raise ValueError("is of another version than 4, the one that package managers read")
    # What version 4 is defined by, and no proof of anything.
    digest = hashlib.sha1(b"\x99" + len(content).to_bytes(2) + content, usedforsecurity=False)
    return digest.hexdigest().upper()
