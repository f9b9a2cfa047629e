# SPDX-License-Identifier: Apache-2.0
"""Rendered files in a slot: an archive a kernel unpacks beside its initrd, or the text of a boot menu."""

from collections.abc import Mapping

from services.common.contracts.errors import Invalid, Problem
from services.imagebuilder.masters import cpio
from services.imagebuilder.slots.layout import Patch, Slot

_SHORTER = "shorten it: the first-boot script, packages, keys and certificates are what takes room"


def pack_files(slot: Slot, files: Mapping[str, bytes]) -> Patch:
    """The files as a newc archive, zeros after it, which kernels skip. Invalid names what is too large."""
    content = empty_archive() if not files else cpio.archive({path: _entry(data) for path, data in files.items()})
    if len(content) > slot.size:
        largest, data = max(files.items(), key=lambda item: (len(item[1]), item[0]))
        detail = (
            f"the answer takes {len(content)} bytes and the image has room for {slot.size}; "
            f"the largest of its {len(files)} files is {largest} with {len(data)}"
        )
        raise Invalid("the answer is too large for the image", [Problem("", detail, _SHORTER)])
    return Patch(slot.offset, content.ljust(slot.size, b"\0"))


def pack_text(slot: Slot, text: bytes) -> Patch:
    """A boot menu, empty lines after it. Invalid when it is too large."""
    if len(text) > slot.size:
        detail = f"{slot.path} takes {len(text)} bytes and the image has room for {slot.size}"
        raise Invalid("the boot menu is too large for the image", [Problem("", detail, "use fewer kernel arguments")])
    return Patch(slot.offset, text.ljust(slot.size, b"\n"))


def empty_archive() -> bytes:
    """An archive with nothing in it: what a slot holds in the master."""
    return cpio.archive({})


def _entry(data: bytes) -> cpio.Entry:
    # Answers hold password hashes: nobody but root reads them in the installer either.
    return cpio.file(data, 0o700 if data.startswith(b"#!") else 0o600)
