# SPDX-License-Identifier: Apache-2.0
"""A network's definition in libvirt's words. Pure; names are derived from our id, so a second try meets the first."""

from hashlib import sha256
from ipaddress import ip_interface, ip_network
from uuid import NAMESPACE_URL, uuid5

from lxml import etree

from services.common.contracts.codec import dump
from services.common.contracts.errors import HostFailed
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.hostagent.drivers.libvirt.mark import NAMESPACE, network_mark

_LATER = ("vlan", "anti_spoof")
DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"


def network_name(network_id: str) -> str:
    """The network's name on every host."""
    return f"innkeeper-{_id8(network_id)}"


def bridge_name(network_id: str) -> str:
    """The name of its bridge; the kernel allows 15 characters."""
    return f"ik-{_id8(network_id)}"


def network_digest(plan: NetworkPlan) -> str:
    """Equal for equal definitions; a new name in the platform changes nothing on the host."""
    # What a network may have since later counts where it has it, so that those of before are what they were.
    facts = {key: value for key, value in dump(plan).items() if key != "name" and (value or key not in _LATER)}
    return sha256(repr(sorted(facts.items())).encode()).hexdigest()[:16]


def network_xml(plan: NetworkPlan, platform: str) -> str:
    """The whole definition; HostFailed names what of the plan can't be made."""
    network = etree.Element("network", nsmap={"dnsmasq": DNSMASQ})
    _text(network, "name", network_name(plan.id))
    _text(network, "uuid", str(uuid5(NAMESPACE_URL, f"{NAMESPACE}/network/{plan.id}")))
    etree.SubElement(network, "metadata").append(network_mark(platform, network_digest(plan), plan.id))
    if plan.kind == NetworkKind.BRIDGE:
        _add_existing_bridge(network, plan)
    elif plan.kind in (NetworkKind.NAT, NetworkKind.ISOLATED):
        _add_own_bridge(network, plan)
    else:
        raise HostFailed(f"network {plan.name}: this driver has no kind {plan.kind!r}")
    return etree.tostring(network, encoding="unicode")


def _add_existing_bridge(network: etree._Element, plan: NetworkPlan) -> None:
    if not plan.bridge:
        raise HostFailed(f"network {plan.name}: a network of kind bridge needs the name of the host's bridge")
    etree.SubElement(network, "forward", mode="bridge")
    etree.SubElement(network, "bridge", name=plan.bridge)
    if plan.vlan and plan.anti_spoof:
        raise HostFailed(f"network {plan.name}: libvirt's filters (anti_spoof) see nothing of an Open vSwitch (vlan)")
    if plan.vlan:
        # A plain Linux bridge has no tags of its own; whether this is an Open vSwitch the hypervisor knows.
        etree.SubElement(network, "virtualport", type="openvswitch")
        etree.SubElement(etree.SubElement(network, "vlan"), "tag", id=str(plan.vlan))


def _add_own_bridge(network: etree._Element, plan: NetworkPlan) -> None:
    if plan.kind == NetworkKind.NAT:
        etree.SubElement(network, "forward", mode="nat")
    etree.SubElement(network, "bridge", name=bridge_name(plan.id), stp="off", delay="0")
    if plan.mtu:
        etree.SubElement(network, "mtu", size=str(plan.mtu))
    if plan.dns:
        dns = etree.SubElement(network, "dns")
        for server in plan.dns:
            if server != plan.gateway:  # the host's own resolver must not ask itself
                etree.SubElement(dns, "forwarder", addr=server)
    if plan.gateway:
        _add_address(network, plan)
    elif plan.dhcp_start:
        raise HostFailed(f"network {plan.name}: DHCP needs an address of the host on it (gateway)")


def _add_address(network: etree._Element, plan: NetworkPlan) -> None:
    subnet = ip_network(plan.cidr)
    gateway = ip_interface(plan.gateway).ip
    family = "ipv6" if subnet.version == 6 else "ipv4"
    ip = etree.SubElement(network, "ip", family=family, address=str(gateway), prefix=str(subnet.prefixlen))
    if plan.dhcp_start and plan.dhcp_end:
        dhcp = etree.SubElement(ip, "dhcp")
        etree.SubElement(dhcp, "range", start=plan.dhcp_start, end=plan.dhcp_end)
        # dnsmasq would ping each address for 3 s before it offers it; nothing static is ever in the range.
        options = etree.SubElement(network, f"{{{DNSMASQ}}}options")
        etree.SubElement(options, f"{{{DNSMASQ}}}option", value="no-ping")


def _id8(network_id: str) -> str:
    # Not the id's own beginning: ids made in the same minute begin alike.
    return sha256(network_id.encode()).hexdigest()[:8]


def _text(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = text
