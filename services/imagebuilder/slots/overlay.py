# SPDX-License-Identifier: Apache-2.0
"""One vm's installation image as a qcow2 on the master: a header, its tables, and the slots' clusters.

Clusters have 4 KiB, a page, and those the master has the same are left out: a vm's answers come to a file of some
50 KB whatever the master's and the slots' size.
Layout: header, refcount table, refcount blocks, L1 table, L2 tables, data; the last two in the disk's order.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.common.formats.qcow2_header import COPIED, Header
from services.imagebuilder.drafts import draft_of
from services.imagebuilder.slots.layout import Patch

_BITS = 12
CLUSTER = 1 << _BITS
_AT_ONCE = 16  # clusters of the master read by one call
_PER_L2 = CLUSTER // 8
_PER_BLOCK = CLUSTER // 2
_HEAD = 2  # clusters: header and refcount table


def write_overlay(path: Path, master: Path, patches: Sequence[Patch], backing: str = "") -> None:
    """Write `path`: the master with these patches; all or nothing.

    `backing` is what the file calls its master, relative to its own folder or absolute. ValueError when a patch
    lies beyond the master's end.
    """
    descriptor = os.open(master, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        data = _clusters(descriptor, size, patches)
    finally:
        os.close(descriptor)
    content = _image(size, os.fsencode(backing or master.absolute()), data)
    scratch = draft_of(path)
    draft = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    # Not synced: an image lost with the machine's power is made again when its step is.
    with os.fdopen(draft, "wb", buffering=0) as file:
        file.write(content)
    scratch.rename(path)


class _Ahead:
    """A master's clusters, some read at once; zeros behind its end."""

    def __init__(self, master: int):
        self._master = master
        self._first = -_AT_ONCE
        self._read = b""

    def cluster(self, number: int) -> bytes:
        if not self._first <= number < self._first + _AT_ONCE:
            self._first, self._read = number, os.pread(self._master, _AT_ONCE * CLUSTER, number * CLUSTER)
        at = (number - self._first) * CLUSTER
        return self._read[at : at + CLUSTER].ljust(CLUSTER, b"\0")


def _clusters(master: int, size: int, patches: Sequence[Patch]) -> dict[int, bytes]:
    """Number of a cluster -> its content; what a patch leaves of a cluster is the master's.

    Clusters the master has the same are left out: most of a slot is the padding that is there already.
    """
    found: dict[int, bytes] = {}
    ahead = _Ahead(master)
    for patch in patches:
        end = patch.offset + len(patch.content)
        if end > size:
            raise ValueError(f"a patch ends at {end}, the master at {size}")
        for number in range(patch.offset // CLUSTER, -(-end // CLUSTER)):
            around = found.get(number) or ahead.cluster(number)
            within = number * CLUSTER - patch.offset  # where in the patch the cluster begins; before it, if negative
            piece = around[: max(0, -within)] + patch.content[max(0, within) : within + CLUSTER]
            piece += around[len(piece) :]
            if piece != around:
                found[number] = piece
    return found


def _image(size: int, backing: bytes, data: Mapping[int, bytes]) -> bytes:
    numbers = sorted(data)
    tables = sorted({number // _PER_L2 for number in numbers})
    l1_entries = -(-size // (CLUSTER * _PER_L2))
    l1_clusters = -(-l1_entries * 8 // CLUSTER)
    others = _HEAD + l1_clusters + len(tables) + len(numbers)
    blocks = _blocks(others)
    l1_at = (_HEAD + blocks) * CLUSTER
    l2_at = l1_at + l1_clusters * CLUSTER
    data_at = l2_at + len(tables) * CLUSTER
    header = Header(_BITS, size, l1_entries, l1_at, CLUSTER, backing)
    parts = [
        header.pack().ljust(CLUSTER, b"\0"),
        _table({n: (_HEAD + n) * CLUSTER for n in range(blocks)}, 1),
        (b"\0\1" * (others + blocks)).ljust(blocks * CLUSTER, b"\0"),
        _table({table: (l2_at + n * CLUSTER) | COPIED for n, table in enumerate(tables)}, l1_clusters),
    ]
    places = {number: (data_at + n * CLUSTER) | COPIED for n, number in enumerate(numbers)}
    parts += [_table({n % _PER_L2: at for n, at in places.items() if n // _PER_L2 == table}, 1) for table in tables]
    return b"".join([*parts, *(data[number] for number in numbers)])


def _blocks(others: int) -> int:
    """How many refcount blocks count `others` clusters and themselves."""
    blocks = 1
    while blocks * _PER_BLOCK < others + blocks:
        blocks += 1
    return blocks


def _table(entries: Mapping[int, int], clusters: int) -> bytes:
    table = bytearray(clusters * CLUSTER)
    for index, value in entries.items():
        struct.pack_into(">Q", table, index * 8, value)
    return bytes(table)
