# SPDX-License-Identifier: Apache-2.0
"""All that bears our mark on a libvirt, read from it anew: nothing that the driver remembers is believed."""

from collections.abc import Iterator

import libvirt
from lxml import etree

from services.common.contracts.survey import Found, FoundKind
from services.hostagent.drivers.libvirt.mark import read_network_id, read_network_mark, read_vm_mark
from services.hostagent.drivers.libvirt.vendor_errors import code
from services.hostagent.drivers.survey_files import files_found
from services.hostagent.drivers.vm_files import VmFiles

_VANISHED = (
    libvirt.VIR_ERR_NO_DOMAIN,
    libvirt.VIR_ERR_NO_NETWORK,
    libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
)


def surveyed(conn: libvirt.virConnect, platform: str, files: VmFiles) -> list[Found]:
    """Domains with their snapshots, networks, and what lies in the agent's directory."""
    found: list[Found] = []
    used: set[str] = set()
    defined: set[str] = set()
    for domain in conn.listAllDomains():
        xml = _definition(domain)
        owner = read_vm_mark(xml) if xml else None
        if owner is None or owner.platform != platform:
            continue
        defined.add(owner.vm)
        used |= _sources(xml)
        found.append(Found(FoundKind.VM, domain.name(), owner.vm))
        found += _snapshots(domain, owner.vm)
    return [*found, *_networks(conn, platform), *files_found(files, used, defined)]


def _definition(domain: libvirt.virDomain) -> str:
    try:
        return str(domain.XMLDesc())
    except libvirt.libvirtError as error:
        if code(error) in _VANISHED:
            return ""
        raise


def _sources(xml: str) -> set[str]:
    """Every file that the definition names, those below an overlay too."""
    sources = etree.fromstring(xml.encode()).iterfind(".//source[@file]")
    return {source.get("file", "") for source in sources}


def _snapshots(domain: libvirt.virDomain, vm: str) -> Iterator[Found]:
    try:
        names = [snapshot.getName() for snapshot in domain.listAllSnapshots()]
    except libvirt.libvirtError as error:
        if code(error) not in _VANISHED:
            raise
        return
    for name in names:
        yield Found(FoundKind.SNAPSHOT, name, vm, name)


def _networks(conn: libvirt.virConnect, platform: str) -> Iterator[Found]:
    for network in conn.listAllNetworks():
        try:
            xml = network.XMLDesc()
        except libvirt.libvirtError as error:
            if code(error) in _VANISHED:
                continue
            raise
        mark = read_network_mark(xml)
        if mark is not None and mark[0] == platform:
            # One of before its mark had an id is called by its name, which nobody knows: better told than passed over.
            yield Found(FoundKind.NETWORK, network.name(), id=read_network_id(xml) or network.name())
