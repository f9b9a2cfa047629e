# SPDX-License-Identifier: Apache-2.0
"""Storage pools and volumes in libvirt's words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from lxml import etree

from services.common.contracts.datastores import DatastoreKind
from services.common.contracts.errors import HostFailed

# The types of pools that volumes can lie in.
KINDS: Mapping[str, str] = {
    "dir": DatastoreKind.DIRECTORY,
    "fs": DatastoreKind.FILESYSTEM,
    "netfs": DatastoreKind.NFS,
    "logical": DatastoreKind.LVM,
}
_NFS_FORMATS = ("", "auto", "nfs")
_MARK, _SUFFIX = "innkeeper", ".qcow2"


@dataclass(frozen=True)
class Lying:
    """A volume as a disk finds it."""

    path: str
    format: str = "qcow2"
    block: bool = False


def lying(path: str, kind: str) -> Lying:
    """One at that path, on a datastore of this kind."""
    return Lying(path, "raw", block=True) if kind == DatastoreKind.LVM else Lying(path)


def kind_of(pool_xml: str) -> str:
    """What kind of datastore a pool is; "" where volumes can't lie in it. Network file systems have their own names."""
    root = etree.fromstring(pool_xml.encode())
    kind, source = KINDS.get(root.get("type", ""), ""), root.find("./source/format")
    named = source.get("type", "") if source is not None else ""
    return named if kind == DatastoreKind.NFS and named not in _NFS_FORMATS else kind


def volume_name(platform: str, volume: str) -> str:
    """What the volume is called in a pool, less the suffix of a file; HostFailed when `volume` is no id."""
    try:
        return f"{_MARK}-{platform}-{UUID(volume)}"
    except ValueError as error:
        raise HostFailed(f"{volume!r} is not the id of a volume") from error


def volume_of(platform: str, name: str) -> str:
    """The id of the volume that is called so; "" for what is none of this platform's."""
    mark = f"{_MARK}-{platform}-"
    return name.removeprefix(mark).removesuffix(_SUFFIX) if name.startswith(mark) else ""


def volume_xml(name: str, kind: str, size: int) -> str:
    """A new one: a file that grows as it is written, on LVM all of it at once."""
    block = kind == DatastoreKind.LVM
    root = etree.Element("volume")
    etree.SubElement(root, "name").text = name if block else f"{name}{_SUFFIX}"
    etree.SubElement(root, "capacity", unit="bytes").text = str(size)
    etree.SubElement(root, "allocation", unit="bytes").text = str(size if block else 0)
    if not block:
        target = etree.SubElement(root, "target")
        etree.SubElement(target, "format", type="qcow2")
    return etree.tostring(root, encoding="unicode")
