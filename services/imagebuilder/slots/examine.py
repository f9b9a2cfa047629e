# SPDX-License-Identifier: Apache-2.0
"""Whether a file is an ISO 9660 medium that a machine can boot: by its descriptors, and before any work is done."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.common.contracts.errors import ImageFailed

_SECTOR = 2048
_FIRST, _MOST = 16, 64  # descriptors begin at sector 16; nobody has more than a handful
_BOOT, _PRIMARY, _END = 0, 1, 255
_EL_TORITO = b"EL TORITO SPECIFICATION"


@dataclass(frozen=True)
class Volume:
    """What the primary descriptor says: the size in bytes, and when it was last changed (16 digits, or "")."""

    size: int
    changed: str


def examine(path: Path) -> Volume:
    """The medium's volume; ImageFailed when it is no ISO, is cut off, or boots nothing."""
    length = path.stat().st_size
    with open(path, "rb") as file:
        found = _descriptors(file)
        if _PRIMARY not in found:
            raise ImageFailed("the medium is not an ISO 9660 image: it has no volume descriptor; import an ISO")
        volume = _volume(found[_PRIMARY])
        if length < volume.size:
            raise ImageFailed(
                f"the medium is cut off: it has {length} bytes of {volume.size}; download it again and import that"
            )
        if not found.get(_BOOT, b"")[7:].startswith(_EL_TORITO):
            raise ImageFailed("the medium boots nothing: it has no El Torito record; import an installation medium")
        _check_catalog(file, found[_BOOT])
    return volume


def _descriptors(file: BinaryIO) -> dict[int, bytes]:
    """The first descriptor of each type."""
    found: dict[int, bytes] = {}
    file.seek(_FIRST * _SECTOR)
    for _ in range(_MOST):
        sector = file.read(_SECTOR)
        if len(sector) < _SECTOR or sector[1:6] != b"CD001" or sector[0] == _END:
            break
        found.setdefault(sector[0], sector)
    return found


def _volume(primary: bytes) -> Volume:
    blocks, block = struct.unpack_from("<I", primary, 80)[0], struct.unpack_from("<H", primary, 128)[0]
    if block != _SECTOR or not blocks:
        raise ImageFailed(f"the medium is not an ISO 9660 image that can be used: {blocks} blocks of {block} bytes")
    digits = primary[830:846]
    return Volume(blocks * _SECTOR, digits.decode() if digits.isdigit() and digits.strip(b"0") else "")


def _check_catalog(file: BinaryIO, record: bytes) -> None:
    file.seek(struct.unpack_from("<I", record, 71)[0] * _SECTOR)
    catalog = file.read(64)
    good = len(catalog) == 64 and catalog[0] == 1 and catalog[30:32] == b"\x55\xaa"
    if not good or sum(struct.unpack("<16H", catalog[:32])) & 0xFFFF or catalog[32] != 0x88:
        raise ImageFailed("the medium boots nothing: its El Torito catalog is damaged; import the vendor's ISO")
