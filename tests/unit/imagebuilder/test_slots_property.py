# SPDX-License-Identifier: Apache-2.0
"""Any patches of any master: the overlay's stream is the master with them, and any part of it is that part."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.formats.spliced import Spliced
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay

_NUMBERS = st.integers(0, 3 << 20)


@settings(max_examples=200, deadline=None)
@given(
    sectors=st.integers(1, 6000),
    wanted=st.lists(st.tuples(_NUMBERS, st.integers(1, 70_000), st.integers(1, 255)), max_size=6),
    parts=st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=8),
)
def test_the_stream_is_the_master_with_its_patches(
    sectors: int, wanted: list[tuple[int, int, int]], parts: list[tuple[int, int]]
) -> None:
    whole = bytearray(b"master--" * (sectors * 64))
    with TemporaryDirectory() as folder:
        master, overlay = Path(folder, "master"), Path(folder, "overlay")
        master.write_bytes(whole)
        patches = []
        for at, length, byte in wanted:
            offset = at % len(whole)
            patches.append(Patch(offset, bytes([byte]) * min(length, len(whole) - offset)))
            whole[offset : offset + len(patches[-1].content)] = patches[-1].content
        write_overlay(overlay, master, patches)
        with Spliced(overlay) as image:
            assert image.size == len(whole)
            assert b"".join(image.chunks()) == whole
            for start, length in parts:
                start %= len(whole)
                length = min(length, len(whole) - start)
                assert b"".join(image.chunks(start, length)) == whole[start : start + length]
