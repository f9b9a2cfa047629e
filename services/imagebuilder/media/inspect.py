# SPDX-License-Identifier: Apache-2.0
"""What a medium really is, by its first bytes: never by its name. An image that points at other files is refused."""

import struct
from dataclasses import dataclass
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.media.qcow2_extent import check_whole
from services.imagebuilder.slots.examine import examine

_QCOW2 = b"QFI\xfb"
_EXTERNAL_DATA, _CORRUPT, _KNOWN = 0x4, 0x2, 0x1F  # incompatible feature bits
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"(\xb5/\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_OTHERS = {
    b"KDMV": "VMDK",
    b"# Disk DescriptorFile": "a VMDK's descriptor, without what it describes",
    b"vhdxfile": "VHDX",
    b"conectix": "VHD",
    b"<!DOCTYPE": "HTML",
    b"<html": "HTML",
}


@dataclass(frozen=True)
class Shape:
    """A medium's format (qcow2 | raw | iso) and the size of the disk it holds, in bytes."""

    format: str
    virtual_size: int


def check_medium(path: Path, kind: str) -> Shape:
    """As shape_of, and it must be whole; an installation medium must boot something."""
    found = shape_of(path, kind)
    if found.format == "iso":
        examine(path)
    elif found.format == "qcow2":
        check_whole(path)
    return found


def shape_of(path: Path, kind: str) -> Shape:
    """Look at a medium of kind `iso` or `cloud-image`; ImageFailed when it is something else, or unsafe."""
    with open(path, "rb") as file:
        head = file.read(512)
        file.seek(32768)
        volume = file.read(6)
    size = path.stat().st_size
    if head.startswith(_QCOW2):
        found = Shape("qcow2", qcow2_size(head))
    elif volume[1:6] == b"CD001":
        found = Shape("iso", size)
    elif head[510:512] == b"\x55\xaa":
        found = Shape("raw", size)
    else:
        raise ImageFailed(f"the medium can't be used: it is {_unusable(head)}")
    # A hybrid ISO begins like a disk, which is fine for an ISO and wrong for a cloud image.
    if (kind == "iso") != (found.format == "iso"):
        raise ImageFailed(f"the medium is called {kind!r} and is {found.format}; import it as what it is")
    return found


def _unusable(head: bytes) -> str:
    """What a file that is no medium is, by its first bytes, and what to do."""
    if packed := next((name for magic, name in _PACKED.items() if head.startswith(magic)), ""):
        return f"packed ({packed}); unpack it, and give the result, with its own sha256"
    what = next((name for magic, name in _OTHERS.items() if head.startswith(magic)), "neither qcow2 nor a raw disk")
    return f"{what}; give a qcow2, a raw disk, a VMDK in one file, an OVA or an ISO"


def qcow2_size(header: bytes) -> int:
    """The virtual size; ImageFailed for a qcow2 that reads other files (backing, external data) or is encrypted."""
    if len(header) < 104:
        raise ImageFailed("the qcow2 is shorter than its own header")
    _magic, version, backing, _length, _bits, size, encrypted = struct.unpack(">4sIQIIQI", header[:36])
    if version not in (2, 3):
        raise ImageFailed(f"qcow2 version {version} is not known")
    features = struct.unpack(">Q", header[72:80])[0] if version == 3 else 0
    if backing:
        raise ImageFailed("the qcow2 has a backing file: it would read a file of the host; flatten it first")
    if features & _EXTERNAL_DATA:
        raise ImageFailed(
            "the qcow2 keeps its data in another file: it would read a file of the host; convert it first"
        )
    if features & _CORRUPT or features & ~_KNOWN:
        raise ImageFailed(f"the qcow2 has features that can't be used ({features:#x})")
    if encrypted:
        raise ImageFailed("the qcow2 is encrypted; decrypt it first")
    return int(size)
