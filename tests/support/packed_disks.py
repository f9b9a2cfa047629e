# SPDX-License-Identifier: Apache-2.0
"""Disks as vendors pack them: VMDKs by qemu-img and by hand, and OVAs around them."""

import hashlib
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from tests.support.missing import missing

GRAIN = 128  # sectors
_SECTOR = 512
_NS = "http://schemas.dmtf.org/ovf/envelope/1"
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")


def qemu_img(*words: str) -> str:
    """What it prints."""
    if shutil.which("qemu-img") is None:
        missing("qemu-img; install: apt-get install qemu-utils")
    return subprocess.run(["qemu-img", *words], check=True, capture_output=True, text=True, timeout=60).stdout


def vmdk(folder: Path, raw: bytes, subformat: str = "monolithicSparse") -> bytes:
    """The disk as qemu-img writes it."""
    (folder / "raw").write_bytes(raw)
    made = folder / f"{subformat}.vmdk"
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}", str(folder / "raw"), str(made))
    return made.read_bytes()


def disk_of(path: Path, folder: Path) -> bytes:
    """What a qcow2 holds, without the zeroes at its end."""
    qemu_img("convert", "-f", "qcow2", "-O", "raw", str(path), str(folder / "read"))
    return (folder / "read").read_bytes().rstrip(b"\0")


def descriptor(extents: str = 'RDONLY 2048 SPARSE "call-me-stream.vmdk"', **words: str) -> bytes:
    """A VMDK's own words about itself."""
    said = {"version": "1", "CID": "1", "parentCID": "ffffffff", "createType": '"streamOptimized"', **words}
    lines = [f"{key}={value}" for key, value in said.items()]
    return "\n".join(["# Disk DescriptorFile", *lines, extents, 'ddb.adapterType = "lsilogic"', ""]).encode()


def streamed(raw: bytes, text: bytes = b"", hollow: int = 0) -> bytes:
    """A stream-optimized VMDK of one grain table; `hollow` sectors of nothing follow what it holds.

    As exporters write it: its directory comes last, and is named by a footer.
    """
    sectors = -(-len(raw) // (GRAIN * _SECTOR)) * GRAIN
    text = text or descriptor()
    out = BytesIO()
    size = sectors + hollow
    out.write(header(size, directory=(1 << 64) - 1) + text.ljust(20 * _SECTOR, b"\0"))
    out.write(bytes(GRAIN * _SECTOR - out.tell()))
    table = [0] * 512
    for n in range(sectors // GRAIN):
        part = raw[n * GRAIN * _SECTOR : (n + 1) * GRAIN * _SECTOR].ljust(GRAIN * _SECTOR, b"\0")
        table[n] = out.tell() // _SECTOR
        packed = zlib.compress(part)
        out.write(_whole(struct.pack("<QI", n * GRAIN, len(packed)) + packed))
    out.write(_marker(4, 1))
    table_at = out.tell() // _SECTOR
    out.write(struct.pack("<512I", *table) + _marker(1, 2))
    directory_at = out.tell() // _SECTOR
    out.write(_whole(struct.pack("<I", table_at)) + _marker(1, 3) + header(size, directory_at) + _marker(0, 0))
    return out.getvalue()


def header(sectors: int, directory: int, text_at: int = 1, version: int = 3) -> bytes:
    """A sparse extent's first sector."""
    fields = (b"KDMV", version, 0x30001, sectors, GRAIN, text_at, 20, 512, 0, directory, GRAIN, 0, b"\n \r\n", 1)
    return _whole(_HEADER.pack(*fields))


def _marker(sectors: int, kind: int) -> bytes:
    return _whole(struct.pack("<QII", sectors, 0, kind))


def _whole(content: bytes) -> bytes:
    return content + bytes(-len(content) % _SECTOR)


def ovf(*disks: str, files: str = '<File ovf:id="file1" ovf:href="disk.vmdk"/>', systems: int = 1) -> bytes:
    """A descriptor with these disks."""
    listed = "".join(disks) or '<Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="1"/>'
    inner = f"<References>{files}</References><DiskSection><Info/>{listed}</DiskSection>"
    vms = '<VirtualSystem ovf:id="vm"><Info/></VirtualSystem>' * systems
    return f'<?xml version="1.0"?><Envelope xmlns="{_NS}" xmlns:ovf="{_NS}">{inner}{vms}</Envelope>'.encode()


def manifest(files: Mapping[str, bytes], method: str = "SHA256") -> bytes:
    """The sums of files, as exporters write them."""
    sums = {name: hashlib.new(method.lower(), content).hexdigest() for name, content in files.items()}
    return "".join(f"{method}({name})= {value}\n" for name, value in sums.items()).encode()


def ova(files: Mapping[str, bytes]) -> bytes:
    """A tar with these files, in this order."""
    return archive(*((tarfile.TarInfo(name), content) for name, content in files.items()))


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar with just these members."""
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return out.getvalue()
