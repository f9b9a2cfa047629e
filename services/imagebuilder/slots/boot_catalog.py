# SPDX-License-Identifier: Apache-2.0
"""The El Torito catalog of a medium: which image UEFI boots, and where the catalog says so."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_SECTOR = 2048
_RECORD = 17  # the boot record's sector, by the specification
_ENTRY = 32
_EFI, _BOOTABLE, _HEADER, _LAST_HEADER, _EXTENSION = 0xEF, 0x88, 0x90, 0x91, 0x44


@dataclass(frozen=True)
class BootEntry:
    """An entry that boots something: `at` is the place of its 32 bytes on the medium."""

    at: int
    block: int  # where its image begins, in blocks of 2048 bytes
    sectors: int  # of 512 bytes, that are loaded; firmware takes 0 and 1 for "as many as there are"

    @property
    def block_at(self) -> int:
        """Where on the medium the number of the image's block stands, in 4 bytes."""
        return self.at + 8


def efi_entries(medium: BinaryIO) -> tuple[BootEntry, ...]:
    """What UEFI may boot of this medium; none where it has no catalog."""
    medium.seek(_RECORD * _SECTOR)
    record = medium.read(_SECTOR)
    if len(record) < _SECTOR or record[:6] != b"\0CD001" or not record[7:].startswith(b"EL TORITO SPECIFICATION"):
        return ()
    start = struct.unpack_from("<I", record, 71)[0] * _SECTOR
    medium.seek(start)
    return tuple(_efi(medium.read(_SECTOR), start))


def _efi(catalog: bytes, start: int) -> Iterator[BootEntry]:
    """The entries of EFI's platform: the first one by the catalog's own, all others by their section's."""
    platform, left, at = (catalog[1] if catalog else 0), 1, _ENTRY
    while at + _ENTRY <= len(catalog):
        kind = catalog[at]
        if left and kind != _EXTENSION:
            left -= 1
            if platform == _EFI and kind == _BOOTABLE:
                sectors, block = struct.unpack_from("<HI", catalog, at + 6)
                yield BootEntry(start + at, block, sectors)
        elif kind in (_HEADER, _LAST_HEADER):
            platform, left = catalog[at + 1], struct.unpack_from("<H", catalog, at + 2)[0]
        elif kind != _EXTENSION:
            return
        at += _ENTRY
