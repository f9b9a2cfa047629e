# SPDX-License-Identifier: Apache-2.0
"""The description of a vm that is nothing but one disk, in the words of OVF. Pure."""

from collections.abc import Mapping
from xml.etree import ElementTree

_OVF, _RASD, _VSSD = (
    "http://schemas.dmtf.org/ovf/envelope/1",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData",
)
_STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
_HARDWARE = "vmx-10"  # every server there is knows it; the vm never gets power
_OTHER_64_BIT = "102"
_FILE, _DISK, _BUS = "file1", "disk1", "3"
# Resource types of the standard.
_CPU, _MEMORY, _SCSI, _HARD_DISK = "3", "4", "6", "17"


def descriptor(name: str, file: str, size: int, capacity: int) -> str:
    """The vm `name`, whose disk of `capacity` bytes is in a streamed VMDK file of `size` bytes."""
    for prefix, uri in (("ovf", _OVF), ("rasd", _RASD), ("vssd", _VSSD)):
        ElementTree.register_namespace(prefix, uri)
    envelope = ElementTree.Element(f"{{{_OVF}}}Envelope")
    references = _add(envelope, "References")
    _add(references, "File", **{"id": _FILE, "href": file, "size": str(size)})
    section = _add(envelope, "DiskSection")
    _add(section, "Info", "disks")
    told = {"diskId": _DISK, "fileRef": _FILE, "capacity": str(capacity), "capacityAllocationUnits": "byte"}
    _add(section, "Disk", **told, format=_STREAM)
    system = _add(envelope, "VirtualSystem", id=name)
    _add(system, "Info", "a vm")
    _add(system, "Name", name)
    _add(_add(system, "OperatingSystemSection", id=_OTHER_64_BIT), "Info", "an operating system")
    _hardware(_add(system, "VirtualHardwareSection"))
    return str(ElementTree.tostring(envelope, encoding="unicode", xml_declaration=True))


def _hardware(section: ElementTree.Element) -> None:
    _add(section, "Info", "hardware")
    own = _add(section, "System")
    for tag, text in (("ElementName", "hardware"), ("InstanceID", "0"), ("VirtualSystemType", _HARDWARE)):
        ElementTree.SubElement(own, f"{{{_VSSD}}}{tag}").text = text
    _item(section, "1", _CPU, {"VirtualQuantity": "1"})
    _item(section, "2", _MEMORY, {"AllocationUnits": "byte * 2^20", "VirtualQuantity": "32"})
    _item(section, _BUS, _SCSI, {"Address": "0", "ResourceSubType": "VirtualSCSI"})
    _item(section, "4", _HARD_DISK, {"AddressOnParent": "0", "HostResource": f"ovf:/disk/{_DISK}", "Parent": _BUS})


def _item(section: ElementTree.Element, number: str, kind: str, own: Mapping[str, str]) -> None:
    item = _add(section, "Item")
    # The standard wants them in the order of the alphabet.
    words = {"ElementName": f"part {number}", "InstanceID": number, "ResourceType": kind, **own}
    for tag in sorted(words):
        ElementTree.SubElement(item, f"{{{_RASD}}}{tag}").text = words[tag]


def _add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{_OVF}}}{tag}", {f"{{{_OVF}}}{k}": v for k, v in attributes.items()})
    element.text = text or None
    return element
