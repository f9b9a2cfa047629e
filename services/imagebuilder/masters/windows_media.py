# SPDX-License-Identifier: Apache-2.0
"""A medium that boots another of its own EFI images: for Windows's, whose first one waits for somebody to press a key.

The master is the medium, byte for byte, but for the four bytes of its boot catalog that say where the image begins.
By BIOS nothing is changed: the medium's loader asks for a key only where the disk has an active partition, and a disk
that has one is tried before the medium.
"""

import hashlib
import json
import os
import struct
from dataclasses import replace
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters.store import Built, Master, MasterStore
from services.imagebuilder.media.udf import SECTOR, NotUdf, Udf
from services.imagebuilder.slots.boot_catalog import BootEntry, efi_entries
from services.imagebuilder.slots.examine import examine

# Changes when this code makes something else of the same medium.
_VERSION = 1
_CHUNK = 1 << 26


def ensure_efi_image(store: MasterStore, medium: Path, sha256: str, image: str, progress: Progress) -> tuple[Path, str]:
    """(path, sha256) of the medium that boots its file `image`, made now unless it is there; `sha256` is the medium's.

    ImageFailed when the medium has no such file; nothing is left behind then.
    """

    def build(work: Path, told: Progress) -> Built:
        return replace(_build(medium, image, work, told), medium=sha256)

    master: Master = store.ensure(_key(sha256, image), build, progress)
    made = master.files["iso"].sha256
    return store.path(made), made


def _key(sha256: str, image: str) -> str:
    text = json.dumps([_VERSION, sha256, image])
    return f"efi-image-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _build(medium: Path, image: str, work: Path, progress: Progress) -> Built:
    examine(medium)
    entries, block = _found(medium, image)
    copy = work / "master.iso"
    _copy(medium, copy, progress)
    with open(copy, "r+b") as file:
        for entry in entries:
            file.seek(entry.block_at)
            file.write(struct.pack("<I", block))
    return Built({"iso": (copy, "iso")})


def _found(medium: Path, image: str) -> tuple[tuple[BootEntry, ...], int]:
    """What the medium boots by UEFI, and the block of what it shall boot. ImageFailed says what is missing."""
    with open(medium, "rb") as file:
        entries = efi_entries(file)
        try:
            piece = Udf(file).find(image)
        except NotUdf as error:
            raise _other(f"no UDF file system that can be read ({error})") from error
    if piece is None:
        raise _other(f"no {image} in one piece")
    if not entries:
        raise _other("nothing that UEFI boots")
    if piece.offset % SECTOR or any(entry.sectors > 1 and entry.sectors * 512 > piece.size for entry in entries):
        raise _other(f"a boot catalog that {image} doesn't fit into")
    return entries, piece.offset // SECTOR


def _other(lacks: str) -> ImageFailed:
    return ImageFailed(f"not a Windows medium: it has {lacks}; import the ISO as Microsoft gives it")


def _copy(medium: Path, copy: Path, progress: Progress) -> None:
    with open(medium, "rb") as source, open(copy, "wb") as target:
        size, done = os.fstat(source.fileno()).st_size, 0
        while done < size:
            sent = os.sendfile(target.fileno(), source.fileno(), done, min(_CHUNK, size - done))
            if not sent:
                raise ImageFailed("the medium became shorter while it was copied; import it again")
            done += sent
            progress(95 * done / size, "copying the medium")
