# SPDX-License-Identifier: Apache-2.0
"""The files in a tar, where they lie: nothing is unpacked, and nothing but plain files with plain names is taken.

Links, sparse files and extended headers have no place in an OVA: what they mean is up to who reads them.
See POSIX, pax, "ustar Interchange Format".
"""

from collections.abc import Mapping

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.media.window import Window

_BLOCK = 512
_MOST = 64  # files
_PLAIN = (b"0", b"\0")
_KINDS: Mapping[bytes, str] = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a directory",
    b"6": "a pipe",
    b"S": "a sparse file",
    b"g": "an extended header",
    b"x": "an extended header",
    b"L": "a long name",
    b"K": "a long link",
}
_FIX = "pack it anew with tar --format=ustar and the files' plain names"


def is_tar(head: bytes) -> bool:
    """Whether a file that begins like this is a tar."""
    return head[257:262] == b"ustar"


def members_of(file: Window) -> dict[str, Window]:
    """Every file by its name, in their order; ImageFailed for anything else that a tar may hold."""
    found: dict[str, Window] = {}
    at = 0
    while at + _BLOCK <= file.size and any(block := file.read(at, _BLOCK)):
        name, size = _entry(block)
        if name in found:
            raise ImageFailed(f"the OVA has two files {name!r}; {_FIX}")
        if len(found) == _MOST:
            raise ImageFailed(f"the OVA has more than {_MOST} files; {_FIX}")
        if at + _BLOCK + size > file.size:
            raise ImageFailed(f"the OVA is cut off in {name!r}; download it again")
        found[name] = file.inside(at + _BLOCK, size)
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
    return found


def _entry(block: bytes) -> tuple[str, int]:
    """(name, size) of a plain file."""
    if not is_tar(block) or _number(block[148:156]) != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
        raise ImageFailed("the OVA is damaged: a header in it is none; download it again")
    name, kind = _name(block), block[156:157]
    if kind not in _PLAIN:
        raise ImageFailed(f"the OVA holds {_KINDS.get(kind, 'something unknown')} ({name[:80]!r}); {_FIX}")
    if not name or not name.isprintable() or "/" in name or "\\" in name or name in (".", ".."):
        raise ImageFailed(f"the OVA holds a file called {name[:80]!r}, which is no plain name; {_FIX}")
    return name, _number(block[124:136])


def _name(block: bytes) -> str:
    name = block[:100].split(b"\0")[0]
    # GNU's variant keeps times where this one has the beginning of a long name.
    before = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return (before + b"/" + name if before else name).decode("utf-8", "replace")


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # a size that octal digits have no room for
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0")
    if digits and not all(digit in b"01234567" for digit in digits):
        raise ImageFailed("the OVA is damaged: a number in a header is none; download it again")
    return int(digits or b"0", 8)
