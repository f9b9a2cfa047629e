# SPDX-License-Identifier: Apache-2.0
"""A VMDK in one file, looked at before any program opens it: what it says must lead nowhere but into itself.

A descriptor may name other files, as extents or as what the disk stands on, and a program that follows it reads files
of this machine. See VMware's "Virtual Disk Format 5.0", "Hosted Sparse Extents" and "Stream-Optimized Compressed".
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.media.window import Window

MAGIC = b"KDMV"
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
_MARKER = struct.Struct("<QII")
_SECTOR = 512
_ENTRIES = 512  # of each table of grains
_AT_END = (1 << 64) - 1  # the directory is named by a footer
_FOOTER, _END_OF_STREAM = 3, 0
_TEXT, _SECOND_DIRECTORY, _COMPRESSED = 0x1, 0x2, 0x10000
_KNOWN = 0x30007
_NEW_LINES = b"\n \r\n"
_DESCRIPTOR = (1, 20)  # sectors: where it begins, and the most it has; what programs read, whatever the header says
_GRAINS = tuple(1 << bits for bits in range(3, 12))  # sectors of one
_TYPES = ("monolithicSparse", "streamOptimized")
_EXTENT = re.compile(r"(RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)\s*(?:\"([^\"]*)\")?.*")
_HINT = b"parentfilenamehint"
_FIX = "export it as an OVA, or by qemu-img convert -O vmdk -o subformat=streamOptimized"


@dataclass(frozen=True)
class SparseDisk:
    """A disk's size, and how much of it may hold anything; bytes."""

    size: int
    allocated: int


@dataclass(frozen=True)
class _Head:
    flags: int
    sectors: int
    grain: int
    second_directory: int
    directory: int


def check_vmdk(file: Window, most: int) -> SparseDisk:
    """The disk that the file holds, whole and by itself; ImageFailed where it doesn't, or it is larger than `most`."""
    head = _head(file.read(0, _SECTOR), most)
    if head.directory == _AT_END:
        head = _footer(file, most)
    _check_descriptor(file.read(_DESCRIPTOR[0] * _SECTOR, _DESCRIPTOR[1] * _SECTOR))
    tables = -(-head.sectors // (head.grain * _ENTRIES))
    grains = sum(1 for _ in _grains(file, head.directory, tables))
    if head.flags & _SECOND_DIRECTORY:
        for _ in _grains(file, head.second_directory, tables):
            pass
    return SparseDisk(head.sectors * _SECTOR, min(grains * head.grain, head.sectors) * _SECTOR)


def _head(block: bytes, most: int) -> _Head:
    if len(block) < _SECTOR:
        raise ImageFailed("the VMDK is shorter than its own header; download it again")
    fields = _HEADER.unpack_from(block)
    magic, version, flags, sectors, grain, text_at, text_size, entries, second, directory = fields[:10]
    _overhead, _unclean, new_lines, packing = fields[10:]
    if magic != MAGIC or not 1 <= version <= 3 or flags & ~_KNOWN:
        raise ImageFailed(f"the VMDK is of a kind that is not known (version {version}, {flags:#x}); {_FIX}")
    if flags & _TEXT and new_lines != _NEW_LINES:
        raise ImageFailed("the VMDK was damaged by a transfer that changed its line ends; download it again")
    if not sectors or text_at != _DESCRIPTOR[0] or not 1 <= text_size <= _DESCRIPTOR[1]:
        raise ImageFailed(f"the VMDK is a part of a disk in several files; {_FIX}")
    if sectors * _SECTOR > most:
        raise ImageFailed(
            f"the VMDK's disk has {sectors * _SECTOR} bytes, and {most} are allowed (INNKEEPER_MEDIA_MAX_GIB)"
        )
    if grain not in _GRAINS or entries != _ENTRIES or packing != bool(flags & _COMPRESSED):
        raise ImageFailed(f"the VMDK can't be used: grains of {grain} sectors, tables of {entries}; {_FIX}")
    return _Head(flags, sectors, grain, second, directory)


def _footer(file: Window, most: int) -> _Head:
    """The header that counts, where it was written last."""
    tail = file.read(max(0, file.size - 3 * _SECTOR), 3 * _SECTOR)
    if len(tail) < 3 * _SECTOR or _MARKER.unpack_from(tail)[1:] != (0, _FOOTER):
        raise ImageFailed("the VMDK is cut off: its end is missing; download it again")
    if _MARKER.unpack_from(tail, 2 * _SECTOR) != (0, 0, _END_OF_STREAM):
        raise ImageFailed("the VMDK is cut off: its end is missing; download it again")
    return _head(tail[_SECTOR : 2 * _SECTOR], most)


def _check_descriptor(text: bytes) -> None:
    if _HINT in text.lower():
        raise ImageFailed("the VMDK stands on another file: it would read a file of the host; export it whole")
    lines = [line.strip() for line in text.split(b"\0")[0].decode("utf-8", "replace").splitlines()]
    words = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    said = {key.strip(): value.strip().strip('"') for key, value in words.items()}
    if said.get("parentCID", "ffffffff").lower() != "ffffffff":
        raise ImageFailed("the VMDK is the difference to another disk; export it whole")
    extents = [match for line in lines if (match := _EXTENT.fullmatch(line))]
    own = [match for match in extents if match[2] == "SPARSE" and match[3] and not {"/", "\\"} & set(match[3])]
    if said.get("createType") not in _TYPES or len(own) != len(extents) or len(own) != 1:
        raise ImageFailed(
            f"the VMDK keeps its data in other files ({said.get('createType', 'no type')[:40]!r}): it would read files"
            f" of the host; {_FIX}"
        )


def _grains(file: Window, directory: int, tables: int) -> Iterator[int]:
    """Where each grain that holds anything begins; what leads beyond the file's end is refused."""
    for table in _numbers(file, directory, tables):
        if table:
            for grain in _numbers(file, table, _ENTRIES):
                if grain > 1:  # 1 is a grain of zeroes
                    _check_there(file, grain * _SECTOR + 1)
                    yield grain


def _numbers(file: Window, sector: int, count: int) -> tuple[int, ...]:
    _check_there(file, sector * _SECTOR + 4 * count)
    return struct.unpack(f"<{count}I", file.read(sector * _SECTOR, 4 * count))


def _check_there(file: Window, end: int) -> None:
    if end > file.size:
        raise ImageFailed(
            f"the VMDK is cut off: it has {file.size} bytes and keeps something at byte {end - 1}; download it again"
        )
