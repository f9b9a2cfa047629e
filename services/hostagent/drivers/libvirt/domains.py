# SPDX-License-Identifier: Apache-2.0
"""Which of libvirt's domains are ours: found by derived UUID, told by the owner mark, never by name."""

from dataclasses import replace

import libvirt

from services.common.contracts.errors import HostFailed
from services.common.contracts.vm import hypervisor_uuid
from services.hostagent.drivers.base import Owner
from services.hostagent.drivers.libvirt.mark import NAMESPACE, PREFIX, bare_vm_mark, read_vm_mark
from services.hostagent.drivers.libvirt.vendor_errors import code


class Domains:
    """Looks domains up and remembers whose they are, so that a list costs one call and not one a vm."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._owners: dict[str, Owner | None] = {}  # by UUID; None: foreign

    def find(self, conn: libvirt.virConnect, vm: str) -> libvirt.virDomain | None:
        """The vm's domain or None; HostFailed when its UUID belongs to somebody else."""
        uuid = hypervisor_uuid(vm)
        try:
            domain = conn.lookupByUUIDString(uuid)
        except libvirt.libvirtError as error:
            if code(error) == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise
        owner = self._owners.get(uuid) or self._read(domain)
        if owner is None or owner.vm != vm:
            raise HostFailed(f"the UUID {uuid} on this host belongs to somebody else's vm {domain.name()}")
        self._owners[uuid] = owner
        return domain

    def need(self, conn: libvirt.virConnect, vm: str) -> libvirt.virDomain:
        """As `find`, but HostFailed when it isn't there."""
        domain = self.find(conn, vm)
        if domain is None:
            raise HostFailed(f"vm {vm} is not on this host", extra={"power": "absent"})
        return domain

    def owner(self, domain: libvirt.virDomain) -> Owner | None:
        """Whose a listed domain is; None: not ours."""
        uuid = domain.UUIDString()
        if uuid not in self._owners:
            self._owners[uuid] = self._read(domain)
        return self._owners[uuid]

    def vm_of(self, uuid: str) -> str | None:
        """The vm behind a UUID we have met."""
        owner = self._owners.get(uuid)
        return owner.vm if owner else None

    def learn(self, owner: Owner) -> None:
        """We have just defined it."""
        self._owners[hypervisor_uuid(owner.vm)] = owner

    def forget(self, vm: str) -> None:
        """It is gone. Its last events may still be on their way, so the name stays known without its fence."""
        uuid = hypervisor_uuid(vm)
        owner = self._owners.get(uuid)
        if owner is not None:
            self._owners[uuid] = replace(owner, fence=0)

    def remark(self, domain: libvirt.virDomain, owner: Owner) -> None:
        """Write a newer fence on a domain that runs."""
        if self._owners.get(domain.UUIDString()) == owner:
            return
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_AFFECT_LIVE
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, bare_vm_mark(owner), PREFIX, NAMESPACE, flags)
        self.learn(owner)

    def _read(self, domain: libvirt.virDomain) -> Owner | None:
        try:
            xml = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
        except libvirt.libvirtError as error:
            if code(error) in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
                return None
            raise
        owner = read_vm_mark(xml)
        return owner if owner is not None and owner.platform == self._platform else None
