# SPDX-License-Identifier: Apache-2.0
"""Snapshots inside a domain's qcow2 files, named by our ids: of one that is off, or with memory of one that runs."""

import libvirt
from lxml import etree

from services.common.contracts.commands import SnapshotPlan
from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.libvirt.vendor_errors import code


def take(domain: libvirt.virDomain, snapshot: SnapshotPlan) -> None:
    """Make it, where it isn't there yet."""
    if find(domain, snapshot.id) is not None:
        return
    if bool(domain.isActive()) != snapshot.memory:
        now = "runs: a snapshot of it has its memory" if domain.isActive() else "is off: it has no memory to keep"
        raise HostFailed(f"{domain.name()} {now}")
    try:
        domain.snapshotCreateXML(_definition(snapshot), 0)
    except libvirt.libvirtError:
        # Of an earlier try that went on without us.
        if find(domain, snapshot.id) is None:
            raise


def revert(domain: libvirt.virDomain, snapshot: SnapshotPlan) -> None:
    """Make the domain what it was; one that runs is ended first, since a running one can't become any other."""
    found = find(domain, snapshot.id)
    if found is None:
        raise HostFailed(f"{domain.name()} has no snapshot {snapshot.id} on this host")
    if domain.isActive():
        domain.destroy()
    domain.revertToSnapshot(found, 0)


def drop(domain: libvirt.virDomain, snapshot: str) -> None:
    """Remove it, where it is there; those below it stay."""
    found = find(domain, snapshot)
    if found is not None:
        found.delete(0)


def find(domain: libvirt.virDomain, snapshot: str) -> libvirt.virDomainSnapshot | None:
    """The snapshot of that id."""
    try:
        return domain.snapshotLookupByName(snapshot, 0)
    except libvirt.libvirtError as error:
        if code(error) == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
            return None
        raise


def _definition(snapshot: SnapshotPlan) -> str:
    root = etree.Element("domainsnapshot")
    etree.SubElement(root, "name").text = snapshot.id
    etree.SubElement(root, "memory", snapshot="internal" if snapshot.memory else "no")
    return etree.tostring(root, encoding="unicode")
