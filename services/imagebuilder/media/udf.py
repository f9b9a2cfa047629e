# SPDX-License-Identifier: Apache-2.0
"""Where a file lies on a UDF disc (ECMA-167, UDF 1.02 to 2.01, and 2.60 without metadata partition).

Windows's media are such discs: their ISO 9660 tree holds a readme and nothing else. Only what is on the way to the
file is read, each piece bounded, so that a disc that was made to mislead costs no time and no memory.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

SECTOR = 2048
_ANCHOR = 256
_DESCRIPTORS = 64  # more of them nobody writes
_DIRECTORY = 1 << 20
_ANCHOR_TAG, _PARTITION, _VOLUME, _TERMINATOR, _FILE_SET, _NAME, _ENTRY, _EXTENDED = 2, 5, 6, 8, 256, 257, 261, 266
_SHORT, _LONG, _EMBEDDED = 0, 1, 3
_DELETED_OR_PARENT = 0x04 | 0x08


class NotUdf(ValueError):
    """The disc has no UDF file system, or one that isn't read here; the text says why."""


@dataclass(frozen=True)
class Piece:
    """A file in one piece: bytes from the disc's beginning, and its size."""

    offset: int
    size: int


@dataclass(frozen=True)
class _Entry:
    """What a file or a directory consists of: its size, and its extents or its bytes."""

    size: int
    extents: tuple[Piece, ...]
    embedded: bytes


class Udf:
    """A disc open for looking things up. Raises NotUdf, here and later, for what can't be read."""

    def __init__(self, disc: BinaryIO):
        self._disc = disc
        anchor = self._block(_ANCHOR * SECTOR, _ANCHOR_TAG, "anchor")
        length, at = struct.unpack_from("<II", anchor, 16)
        found = dict(self._descriptors(at, min(length // SECTOR, _DESCRIPTORS)))
        if _PARTITION not in found or _VOLUME not in found:
            raise NotUdf("its volume descriptors name no partition")
        volume = found[_VOLUME]
        maps = struct.unpack_from("<I", volume, 268)[0]
        if struct.unpack_from("<I", volume, 212)[0] != SECTOR or maps != 1 or volume[440] != 1:
            raise NotUdf("its partition is of a kind that isn't read here")
        self._start: int = struct.unpack_from("<I", found[_PARTITION], 188)[0]
        file_set = self._block(self._at(struct.unpack_from("<I", volume, 252)[0]), _FILE_SET, "file set")
        self._root = int(struct.unpack_from("<I", file_set, 404)[0])

    def find(self, path: str) -> Piece | None:
        """The file of that path ("/a/b"; case doesn't matter); None where there is none, or not in one piece."""
        block = self._root
        for name in path.strip("/").split("/"):
            child = self._children(block).get(name.casefold())
            if child is None:
                return None
            block = child
        entry = self._entry(block)
        extents = entry.extents
        joined = all(one.offset + one.size == two.offset for one, two in pairwise(extents))
        return Piece(extents[0].offset, entry.size) if extents and joined else None

    def _descriptors(self, at: int, count: int) -> Iterator[tuple[int, bytes]]:
        for number in range(count):
            block = self._read((at + number) * SECTOR, SECTOR)
            tag = struct.unpack_from("<H", block)[0]
            if tag == _TERMINATOR:
                return
            yield tag, block

    def _children(self, block: int) -> dict[str, int]:
        """Name, in small letters -> the block of its entry."""
        entry = self._entry(block)
        if max(entry.size, sum(one.size for one in entry.extents)) > _DIRECTORY:
            raise NotUdf(f"a directory has {entry.size} bytes")
        names = entry.embedded or b"".join(self._read(one.offset, one.size) for one in entry.extents)
        return dict(_names(names[: entry.size]))

    def _entry(self, block: int) -> _Entry:
        data = self._read(self._at(block), SECTOR)
        tag = struct.unpack_from("<H", data)[0]
        if tag not in (_ENTRY, _EXTENDED):
            raise NotUdf(f"block {block} is no file entry")
        head = 176 if tag == _ENTRY else 216
        kind, size = struct.unpack_from("<H", data, 34)[0] & 7, struct.unpack_from("<Q", data, 56)[0]
        attributes, length = struct.unpack_from("<II", data, head - 8)
        body = data[head + attributes : head + attributes + length]
        if kind == _EMBEDDED:
            return _Entry(size, (), body)
        if kind not in (_SHORT, _LONG):
            raise NotUdf(f"block {block} has allocation descriptors of kind {kind}")
        return _Entry(size, tuple(self._extents(body, 8 if kind == _SHORT else 16)), b"")

    def _extents(self, body: bytes, width: int) -> Iterator[Piece]:
        for at in range(0, len(body) - width + 1, width):
            length, block = struct.unpack_from("<II", body, at)
            # The two highest bits are 0 for an extent that was written.
            if length >> 30:
                raise NotUdf("a file has holes, or is described in more than one block")
            if length:
                yield Piece(self._at(block), length)

    def _at(self, block: int) -> int:
        return (self._start + block) * SECTOR

    def _block(self, offset: int, tag: int, what: str) -> bytes:
        block = self._read(offset, SECTOR)
        if struct.unpack_from("<H", block)[0] != tag:
            raise NotUdf(f"it has no {what}")
        return block

    def _read(self, offset: int, size: int) -> bytes:
        self._disc.seek(offset)
        data = self._disc.read(size)
        if len(data) < size:
            raise NotUdf("it ends early")
        return data


def _names(data: bytes) -> Iterator[tuple[str, int]]:
    """(name in small letters, block) of each file identifier of a directory."""
    at = 0
    while at + 38 <= len(data):
        if struct.unpack_from("<H", data, at)[0] != _NAME:
            raise NotUdf("a directory has something else than names")
        marks, length, used = data[at + 18], data[at + 19], struct.unpack_from("<H", data, at + 36)[0]
        text = data[at + 38 + used : at + 38 + used + length]
        if len(text) < length:
            raise NotUdf("a directory ends in a name")
        if length and not marks & _DELETED_OR_PARENT:
            yield _decoded(text).casefold(), struct.unpack_from("<I", data, at + 24)[0]
        at += (38 + used + length + 3) & ~3


def _decoded(text: bytes) -> str:
    """OSTA's compressed Unicode: its first byte says how many bits a character has."""
    return text[1:].decode("utf-16-be" if text[0] == 16 else "latin-1", "replace")
