# SPDX-License-Identifier: Apache-2.0
"""The descriptor of an OVA: which of its files is the disk of the one vm that it describes.

See DMTF DSP0243, "Open Virtualization Format Specification". What else it asks for (processors, cards, properties) is
no matter here: a vm's sizes are its flavor's.
"""

from collections.abc import Mapping
from xml.parsers import expat

from services.common.contracts.errors import ImageFailed

_NS = " "  # between an element's namespace and its name


def disk_file(descriptor: bytes) -> str:
    """The name of the file with the disk; ImageFailed where it isn't one whole disk in one file."""
    read = _Reader()
    try:
        read.parser.Parse(descriptor, True)
    except expat.ExpatError as error:
        raise ImageFailed(f"the OVA's descriptor can't be read: {error}") from error
    if read.systems > 1:
        raise ImageFailed(f"the OVA holds {read.systems} vms; export the one you need by itself")
    if len(read.disks) != 1:
        what = ", ".join(disk.get("diskId", "?")[:40] for disk in read.disks[:8]) or "none"
        raise ImageFailed(
            f"the OVA has {len(read.disks)} disks ({what}), and a vm begins with one: export it with the system's disk"
            " alone, and give the vm volumes for the others"
        )
    return _file_of(read.disks[0], read.files)


def _file_of(disk: Mapping[str, str], files: Mapping[str, Mapping[str, str]]) -> str:
    if disk.get("parentRef"):
        raise ImageFailed("the OVA's disk stands on another disk; export it whole")
    file = files.get(disk.get("fileRef", ""))
    if file is None:
        raise ImageFailed("the OVA describes an empty disk: no file of it holds a system")
    name = file.get("href", "")
    if file.get("compression", "identity") not in ("", "identity") or name.endswith(".gz"):
        raise ImageFailed(f"the OVA's disk {name[:80]!r} is packed; unpack it, and make an OVA of the unpacked one")
    if file.get("chunkSize"):
        raise ImageFailed(f"the OVA's disk {name[:80]!r} is in pieces; export it in one file")
    return name


class _Reader:
    """Notes the elements that matter, of whatever version of the format."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {}
        self.disks: list[dict[str, str]] = []
        self.systems = 0
        self.parser = expat.ParserCreate(namespace_separator=_NS)
        self.parser.StartElementHandler = self._begin
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        plain = {key.rpartition(_NS)[2]: value for key, value in attributes.items()}
        match name.rpartition(_NS)[2]:
            case "File":
                self.files[plain.get("id", "")] = plain
            case "Disk":
                self.disks.append(plain)
            case "VirtualSystem":
                self.systems += 1

    def _refuse(self, *_declaration: object) -> None:
        raise ImageFailed("the OVA's descriptor declares a document type, and with it what could grow; remove it")
