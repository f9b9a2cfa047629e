# SPDX-License-Identifier: Apache-2.0
"""A card in libvirt's words, and the cards and drives in a definition. Pure."""

from collections.abc import Sequence
from pathlib import Path

from lxml import etree

from services.common.contracts.commands import NicPlan
from services.common.contracts.devices import VIRTIO
from services.hostagent.drivers.libvirt.network_xml import network_name

CLEAN_TRAFFIC = "clean-traffic"


def interface(nic: NicPlan, model: str, bonded: Sequence[str] = ()) -> etree._Element:
    """The card, plugged into its network. `bonded`: MACs that it may have instead of its own, as one of a bond."""
    element = etree.Element("interface", type="network")
    etree.SubElement(element, "mac", address=nic.mac)
    etree.SubElement(element, "source", network=network_name(nic.network.id))
    etree.SubElement(element, "model", type=model)
    if nic.mtu:
        etree.SubElement(element, "mtu", size=str(nic.mtu))
    if nic.network.anti_spoof:
        _add_filter(element, nic, bonded)
    return element


def _add_filter(element: etree._Element, nic: NicPlan, bonded: Sequence[str]) -> None:
    """libvirt's own filters: nothing but its own MAC, ARP and IPv4 from the card; where it sends more, the MACs."""
    if nic.stacked:
        filterref = etree.SubElement(element, "filterref", filter="no-mac-spoofing")
        for mac in dict.fromkeys([nic.mac, *bonded]):
            etree.SubElement(filterref, "parameter", name="MAC", value=mac)
        return
    filterref = etree.SubElement(element, "filterref", filter=CLEAN_TRAFFIC)
    for address in nic.addresses:
        etree.SubElement(filterref, "parameter", name="IP", value=address)
    if not nic.addresses:
        etree.SubElement(filterref, "parameter", name="CTRL_IP_LEARNING", value="dhcp")


def another_interface(nic: NicPlan, domain_xml: str) -> str:
    """The card as a further one of this machine: of the model that its system can drive."""
    found = etree.fromstring(domain_xml.encode()).find("./devices/interface/model")
    model = found.get("type", VIRTIO) if found is not None else VIRTIO
    return etree.tostring(interface(nic, model), encoding="unicode")


def interface_of(domain_xml: str, mac: str) -> str:
    """The card with this MAC as the definition has it; "" where it has none."""
    for element in etree.fromstring(domain_xml.encode()).iterfind("./devices/interface"):
        address = element.find("mac")
        if address is not None and address.get("address", "").lower() == mac.lower():
            return etree.tostring(element, encoding="unicode")
    return ""


def seed_of(domain_xml: str) -> tuple[str, Path]:
    """The one drive with a file in it, and that file; ("", Path()) where there are several, or none.

    A machine with more drives was installed from a medium, and reads no seed any more.
    """
    drives = etree.fromstring(domain_xml.encode()).findall("./devices/disk[@device='cdrom']")
    source = drives[0].find("source") if len(drives) == 1 else None
    if source is None:
        return "", Path()
    return etree.tostring(drives[0], encoding="unicode"), Path(source.get("file", ""))


def with_file(drive: str, path: Path) -> str:
    """The same drive with another file in it."""
    element = etree.fromstring(drive.encode())
    source = element.find("source")
    if source is None:
        source = etree.SubElement(element, "source")
    source.attrib.clear()
    source.set("file", str(path))
    for backing in element.findall("backingStore"):
        element.remove(backing)
    return etree.tostring(element, encoding="unicode")
