# SPDX-License-Identifier: Apache-2.0
"""The header of a qcow2 v3 file, with the name of its backing file. See QEMU's docs/interop/qcow2.txt."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"QFI\xfb"
COPIED = 1 << 63  # on an L1 or L2 entry: what it points at belongs to this file alone
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_BACKING_FORMAT = 0xE2792ACA
_MAX_NAME = 1023


@dataclass(frozen=True)
class Header:
    """Where the tables of an image are; offsets and sizes in bytes. Refcounts have 16 bits."""

    cluster_bits: int
    size: int  # of the disk
    l1_entries: int
    l1_at: int
    refcounts_at: int  # a table of one cluster
    backing: bytes = b""  # the backing file's path
    backing_format: str = "raw"

    def pack(self) -> bytes:
        """The bytes the file begins with; ValueError when the path is too long for the format."""
        if len(self.backing) > _MAX_NAME:
            name = self.backing.decode(errors="replace")
            raise ValueError(f"the path of {name} is longer than {_MAX_NAME} bytes")
        extensions = _extension(_BACKING_FORMAT, self.backing_format.encode()) if self.backing else b""
        extensions += struct.pack(">II", 0, 0)
        fixed = _HEADER.pack(
            MAGIC,
            3,
            _HEADER.size + len(extensions) if self.backing else 0,
            len(self.backing),
            self.cluster_bits,
            self.size,
            0,  # no encryption
            self.l1_entries,
            self.l1_at,
            self.refcounts_at,
            1,  # cluster of refcount table
            0,  # no snapshots
            0,
            0,  # no incompatible,
            0,  # compatible
            0,  # or self-clearing feature
            4,  # refcounts of 1 << 4 bits
            _HEADER.size,
        )
        return fixed + extensions + self.backing


def backing_of(path: Path) -> Path | None:
    """The file this image stands on, as an absolute path; None for what is no qcow2 or stands alone."""
    with open(path, "rb") as file:
        head = file.read(20)
        if len(head) < 20 or head[:4] != MAGIC:
            return None
        offset, length = struct.unpack_from(">QI", head, 8)
        if not offset or not 0 < length <= _MAX_NAME:
            return None
        file.seek(offset)
        name = file.read(length)
    # A relative name is meant from the folder of the image itself; behind symlinks as well.
    return Path(os.path.normpath(path.resolve().parent / os.fsdecode(name)))


def backing_format_of(path: Path) -> str:
    """The format of the file this image stands on, as its header says; "" where it says none."""
    with open(path, "rb") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size or head[:4] != MAGIC or _HEADER.unpack(head)[1] < 3:
            return ""
        file.seek(_HEADER.unpack(head)[-1])
        while len(found := file.read(8)) == 8:
            kind, length = struct.unpack(">II", found)
            if kind in (0, _BACKING_FORMAT):
                return file.read(length).decode("ascii", errors="replace") if kind else ""
            file.seek(length + -length % 8, os.SEEK_CUR)
    return ""


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)
