# SPDX-License-Identifier: Apache-2.0
"""Other sizes for a domain: in its definition always, and at once where libvirt can do that while it runs.

Only processors are added to a running guest, up to the spare ones it was defined with; it may have to be told to use
them. Memory, and processors that go, wait: a guest gives neither back for certain.
"""

import libvirt
from lxml import etree

from services.common.contracts.sizes import Sizes
from services.hostagent.drivers.libvirt.domain_xml import add_vcpus

_DEFINITION = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def resize(conn: libvirt.virConnect, domain: libvirt.virDomain, sizes: Sizes) -> Sizes:
    """Define it so; what it has now."""
    conn.defineXML(resized(domain.XMLDesc(_DEFINITION), sizes))
    return _hot(domain, sizes) if domain.isActive() else sizes


def resized(definition: str, sizes: Sizes) -> str:
    """The same definition with these sizes. Pure."""
    domain = etree.fromstring(definition.encode())
    for tag in ("memory", "currentMemory"):
        for element in domain.findall(tag):
            element.text, unit = str(sizes.memory_mib), "MiB"
            element.set("unit", unit)
    secure = domain.find("features/smm[@state='on']") is not None
    topology = domain.find("cpu/topology")
    vcpu = domain.find("vcpu")
    if vcpu is not None and topology is not None:
        add_vcpus(vcpu, topology, sizes.vcpus, spare=not secure)
    for element in domain.findall("vcpus"):
        domain.remove(element)  # which of them are there is worked out anew
    return etree.tostring(domain, encoding="unicode")


def _hot(domain: libvirt.virDomain, sizes: Sizes) -> Sizes:
    now, most = domain.vcpusFlags(_LIVE), domain.vcpusFlags(_LIVE | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
    if now < sizes.vcpus <= most:
        domain.setVcpusFlags(sizes.vcpus, _LIVE)
        now = sizes.vcpus
    return Sizes(now, domain.maxMemory() // 1024)
