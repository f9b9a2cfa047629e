# SPDX-License-Identifier: Apache-2.0
"""Random wishes in slots of random masters: the image is the master to the last byte, but for the slot, which is an
archive of the wish's files and padding."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from services.common.catalog import Delivery, systems
from services.common.contracts.errors import Invalid
from services.common.formats.spliced import Spliced
from services.imagebuilder.seed import seed_files
from services.imagebuilder.slots.layout import Slot
from services.imagebuilder.slots.overlay import write_overlay
from services.imagebuilder.slots.pack import empty_archive, pack_files
from tests.support.arbitrary import SEED, a_wish
from tests.support.imaging import VM_ID

EACH = 40
ROWS = sorted(name for name, entry in systems().items() if entry.delivery == Delivery.INSTALLER)
_SECTOR = 2048


def unpacked(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file, read by the format's description (cpio(5), newc)."""
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        sizes = [int(archive[at + 6 + n * 8 : at + 14 + n * 8], 16) for n in range(13)]
        mode, size, named = sizes[1], sizes[6], sizes[11]
        name = archive[at + 110 : at + 110 + named - 1].decode()
        data = at + (110 + named + 3) // 4 * 4
        at = data + (size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert not archive[at:].strip(b"\0"), "there is something after the archive's end"
            return
        if mode & 0o170000 == 0o100000:
            yield name, archive[data : data + size]


@pytest.mark.parametrize("row", ROWS)
def test_only_the_slot_is_not_the_masters(row: str, tmp_path: Path) -> None:
    random, entry, seen = Random(f"{SEED}/{row}"), systems()[row], 0
    size = entry.master.size_kib * 1024 if entry.master else 256 * 1024
    master, overlay = tmp_path / "master", tmp_path / "overlay"
    for number in range(EACH):
        wish = a_wish(entry, 2_000_000 + number)
        slot = Slot("answers", "/a", random.randrange(700) * _SECTOR, size, False)
        whole = bytearray(random.randbytes(slot.offset + size + random.randrange(100_000)))
        whole[slot.offset : slot.offset + size] = empty_archive().ljust(size, b"\0")
        master.write_bytes(whole)
        try:
            files = seed_files(entry, VM_ID, wish.spec, wish.secrets)
            write_overlay(overlay, master, [pack_files(slot, files)])
        except Invalid:
            continue
        with Spliced(overlay) as spliced:
            image = b"".join(spliced.chunks())
        assert image[: slot.offset] == whole[: slot.offset]
        assert image[slot.offset + size :] == whole[slot.offset + size :]
        assert dict(unpacked(image[slot.offset : slot.offset + size])) == files
        seen += 1
    assert seen > 2, "the wishes are too wild to show anything"
