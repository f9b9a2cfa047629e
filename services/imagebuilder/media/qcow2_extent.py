# SPDX-License-Identifier: Apache-2.0
"""Whether a qcow2 has all the clusters its tables speak of: one that was cut off boots, and fails later.

See QEMU's docs/interop/qcow2.txt, "Cluster mapping".
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from services.common.contracts.errors import ImageFailed

_HEADER = struct.Struct(">4sIQIIQIIQ")  # up to and with l1_table_offset
_OFFSET = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED = 1 << 62
_EXTENDED = 1 << 4  # incompatible feature: entries of 16 bytes
_MOST_L1 = 32 << 20  # bytes, as QEMU has it


def check_whole(path: Path) -> None:
    """Return quietly if nothing is missing; ImageFailed otherwise. The header must have been looked at before."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(104).ljust(104, b"\0")
        _magic, version, _backing, _length, bits, _disk, _crypt, entries, l1_at = _HEADER.unpack_from(head)
        if not 9 <= bits <= 21 or entries * 8 > _MOST_L1:
            raise ImageFailed(
                f"the qcow2 can't be used: clusters of 2^{bits} bytes, a first table of {entries} entries"
            )
        extended = version >= 3 and bool(struct.unpack_from(">Q", head, 72)[0] & _EXTENDED)
        for table_at in _entries(file, l1_at, entries, size):
            if table_at & _OFFSET:
                for entry in _entries(file, table_at & _OFFSET, (1 << bits) // 8, size, 2 if extended else 1):
                    _check_there(_place(entry, bits), size)


def _entries(file: BinaryIO, at: int, count: int, size: int, step: int = 1) -> Iterator[int]:
    """A table's entries that point anywhere."""
    _check_there(at + count * 8 - 1 if count else 0, size)
    file.seek(at)
    words = struct.unpack(f">{count}Q", file.read(count * 8))
    return (word for word in words[::step] if word)


def _place(entry: int, bits: int) -> int:
    if entry & _COMPRESSED:
        return entry & ((1 << (70 - bits)) - 1)
    return entry & _OFFSET


def _check_there(offset: int, size: int) -> None:
    if offset and offset >= size:
        raise ImageFailed(
            f"the qcow2 is cut off: it has {size} bytes and keeps something at byte {offset}; download it again"
        )
