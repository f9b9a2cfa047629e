# SPDX-License-Identifier: Apache-2.0
"""Writes the beginning of a qcow2 v3 file: an empty disk, or an overlay on a base. A fiftieth of qemu-img's time.

Layout, in clusters of 64 KiB: header with backing file's name, refcount table, one refcount block, L1 table.
See QEMU's docs/interop/qcow2.txt.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from services.common.formats.qcow2_header import MAGIC, Header, backing_format_of, backing_of
from services.hostagent.drivers.disk_mode import disk_mode

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_L2_COVERS = _CLUSTER * (_CLUSTER // 8)  # bytes of disk behind one L1 entry
_V2_PART = struct.Struct(">4sIQIIQ")
_EXTERNAL_DATA = 1 << 2


@dataclass(frozen=True)
class Base:
    """An image to start from, and the size of the disk in it."""

    path: Path
    format: str  # raw | qcow2
    size: int  # bytes
    base: "Base | None" = None  # what it stands on itself


def read_base(path: Path, format_: str) -> Base:
    """The image's disk size. ValueError when it is no such image, or when it points at other files.

    A qcow2 that names a backing or data file of its own could show a guest any file of the host: refused.
    """
    if format_ != "qcow2":
        return Base(path, "raw", -(-path.stat().st_size // 512) * 512)
    size, incompatible = _beginning(path)
    if backing_of(path) is not None or incompatible & _EXTERNAL_DATA:
        raise ValueError(f"{path.name} refers to another file; a base image must stand alone")
    return Base(path, "qcow2", size)


def check_overlay(path: Path, backing: Path) -> Base:
    """The base under an overlay that lies beside a vm's disks: ValueError unless its one other file is `backing`.

    What a fetched file names is opened by the hypervisor: it may name nothing but the master it was sent with.
    """
    size, incompatible = _beginning(path)
    named = backing_of(path)
    if named is None or named != backing.resolve():
        raise ValueError(f"{path.name} is an overlay of {named or 'nothing'}, not of {backing.name}")
    if incompatible & _EXTERNAL_DATA:
        raise ValueError(f"{path.name} keeps its data in another file")
    if size != backing.stat().st_size:
        raise ValueError(f"{path.name} has a disk of {size} bytes, its master has {backing.stat().st_size}")
    return Base(backing, "raw", size)


def standing_on(path: Path) -> Base | None:
    """What a disk of ours stands on, by its own header and those below it; None for one that stands alone.

    ValueError where a header doesn't say of what format that is: it is never guessed from what a guest has written.
    """
    below = backing_of(path)
    if below is None:
        return None
    format_ = backing_format_of(path)
    if format_ == "raw":
        return read_base(below, format_)
    if format_ != "qcow2":
        raise ValueError(f"{path.name} doesn't say of what format {below.name} under it is")
    return Base(below, format_, disk_size(below), standing_on(below))


def disk_size(path: Path) -> int:
    """The size of the disk in a qcow2, in bytes; ValueError when it is none."""
    return _beginning(path)[0]


def _beginning(path: Path) -> tuple[int, int]:
    """(size of the disk, incompatible features) of a qcow2; ValueError when it is none."""
    with path.open("rb") as file:
        head = file.read(104)
    if len(head) < 72 or head[:4] != MAGIC:
        raise ValueError(f"{path.name} is not a qcow2 image")
    _magic, version, _backing, _length, _bits, size = _V2_PART.unpack_from(head)
    return size, struct.unpack_from(">Q", head, 72)[0] if version >= 3 and len(head) >= 80 else 0


def write_qcow2(path: Path, size: int, base: Base | None = None) -> None:
    """Create `path` as an empty disk of `size` bytes, or as a copy-on-write overlay of `base`; all or nothing.

    ValueError when the size is none, no multiple of 512, or smaller than the base.
    """
    if size <= 0 or size % 512:
        raise ValueError(f"{size} is no size of a disk: give a positive multiple of 512 bytes")
    if base is not None and size < base.size:
        raise ValueError(f"a disk of {size} bytes is smaller than its image {base.path.name} of {base.size} bytes")
    clusters = 3 + -(-_l1_entries(size) * 8 // _CLUSTER)
    draft = path.with_name(f".{path.name}.draft")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, disk_mode())
        os.pwrite(fd, _header(size, base), 0)
        os.pwrite(fd, struct.pack(">Q", 2 * _CLUSTER), _CLUSTER)
        os.pwrite(fd, struct.pack(">H", 1) * clusters, 2 * _CLUSTER)
        os.ftruncate(fd, clusters * _CLUSTER)
    finally:
        os.close(fd)
    draft.rename(path)


def _l1_entries(size: int) -> int:
    return -(-size // _L2_COVERS)


def _header(size: int, base: Base | None) -> bytes:
    header = Header(
        cluster_bits=_CLUSTER_BITS,
        size=size,
        l1_entries=_l1_entries(size),
        l1_at=3 * _CLUSTER,
        refcounts_at=_CLUSTER,
        backing=os.fsencode(base.path) if base else b"",
        backing_format=base.format if base else "raw",
    )
    return header.pack()
