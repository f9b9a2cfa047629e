# SPDX-License-Identifier: Apache-2.0
"""The disks in a domain's definition, and one more for it, in libvirt's words. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count
from string import ascii_lowercase

from lxml import etree

from services.common.contracts.devices import serial_of
from services.hostagent.drivers.libvirt.pool_xml import Lying

_PREFIX = {"scsi": "sd", "sata": "sd", "virtio": "vd"}


@dataclass(frozen=True)
class PluggedDisk:
    """A disk as a definition has it; `xml` is what takes it off again."""

    target: str
    bus: str
    source: str
    xml: str


def disks_of(domain_xml: str) -> list[PluggedDisk]:
    """Every disk and drive."""
    return [_read(disk) for disk in etree.fromstring(domain_xml.encode()).iterfind("./devices/disk")]


def bus_of(domain_xml: str) -> str:
    """What a further disk is plugged into: as the system's own disk on SATA, else on virtio-scsi where it is there."""
    root = etree.fromstring(domain_xml.encode())
    if any(t.get("bus") == "sata" for t in root.iterfind("./devices/disk[@device='disk']/target")):
        return "sata"
    scsi = root.find("./devices/controller[@type='scsi'][@model='virtio-scsi']")
    return "virtio" if scsi is None else "scsi"


def free_target(bus: str, taken: Collection[str]) -> str:
    """The first name for a disk on this bus that is nobody's: sdb, ... sdaa."""
    names = (_PREFIX[bus] + letters for letters in _letters())
    return next(name for name in names if name not in taken)


def disk_xml(lies: Lying, volume: str, bus: str, target: str) -> str:
    """A volume as a disk of its own: the guest is shown the end of its id as the serial number."""
    disk = etree.Element("disk", type="block" if lies.block else "file", device="disk")
    etree.SubElement(disk, "driver", name="qemu", type=lies.format, discard="unmap")
    etree.SubElement(disk, "source").set("dev" if lies.block else "file", lies.path)
    # It stands alone: no format is guessed from what a guest has written.
    etree.SubElement(disk, "backingStore")
    etree.SubElement(disk, "target", dev=target, bus=bus)
    etree.SubElement(disk, "serial").text = serial_of(volume)
    return etree.tostring(disk, encoding="unicode")


def _read(disk: etree._Element) -> PluggedDisk:
    target, source = disk.find("target"), disk.find("source")
    return PluggedDisk(
        target=target.get("dev", "") if target is not None else "",
        bus=target.get("bus", "") if target is not None else "",
        source=source.get("file") or source.get("dev") or "" if source is not None else "",
        xml=etree.tostring(disk, encoding="unicode"),
    )


def _letters() -> Iterator[str]:
    for n in count():
        head, tail = divmod(n, len(ascii_lowercase))
        yield (ascii_lowercase[head - 1] if head else "") + ascii_lowercase[tail]
