# SPDX-License-Identifier: Apache-2.0
"""Volumes on libvirt: a file each beside the vms' directories, or in a storage pool; plugged into one vm at a time."""

import subprocess
from pathlib import Path

import libvirt

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.libvirt.disk_xml import PluggedDisk, bus_of, disk_xml, disks_of, free_target
from services.hostagent.drivers.libvirt.domains import Domains
from services.hostagent.drivers.libvirt.plugging import CONFIG, definition, layers, plug, unplug
from services.hostagent.drivers.libvirt.pool_xml import Lying
from services.hostagent.drivers.libvirt.pools import Pools
from services.hostagent.drivers.libvirt.qcow2 import disk_size, write_qcow2
from services.hostagent.drivers.vm_files import VmFiles

_GIB = 1 << 30
_RESIZE_S = 60.0


class PluggedVolumes:
    """Whose a volume is stands in a file beside it, written before it is plugged in and removed after it is out."""

    def __init__(self, files: VmFiles, domains: Domains, pools: Pools) -> None:
        self._files = files
        self._domains = domains
        self._pools = pools

    def attach(self, conn: libvirt.virConnect, vm: str, volume: VolumePlan) -> None:
        """See Driver.attach_volume."""
        domain = self._domains.need(conn, vm)
        self._refuse_anothers(conn, volume.id, vm)
        hit("agent.before-attach-volume")
        lies = self._made(conn, volume)
        hit("agent.before-plug-volume")
        self._files.hold(volume.id, vm, volume.datastore)
        self._plug(domain, volume.id, lies)
        hit("agent.after-attach-volume")

    def attach_again(self, conn: libvirt.virConnect, domain: libvirt.virDomain, vm: str) -> None:
        """Into a definition that was made anew: all that is the vm's."""
        for volume in self._files.held_by(vm):
            datastore = self._files.datastore_of(volume)
            lies = self._pools.where(conn, volume, datastore) if datastore else Lying(str(self._files.volume(volume)))
            self._plug(domain, volume, lies)

    def detach(self, conn: libvirt.virConnect, vm: str, volume: str) -> None:
        """See Driver.detach_volume."""
        domain = self._domains.find(conn, vm)
        hit("agent.before-detach-volume")
        if domain is not None:
            unplug(domain, lambda xml: self._xml(xml, volume), f"volume {volume}")
        if self._files.holder(volume) == vm:
            self._files.hold(volume, "")
        hit("agent.after-detach-volume")

    def grow(self, conn: libvirt.virConnect, vm: str, volume: VolumePlan) -> None:
        """See Driver.grow_volume."""
        domain, size = self._domains.need(conn, vm), volume.size_gib * _GIB
        disk = self._find(definition(domain, CONFIG), volume.id)
        if disk is None:
            raise HostFailed(f"volume {volume.id} is not plugged into vm {vm}")
        hit("agent.before-grow-volume")
        if domain.isActive():
            if domain.blockInfo(disk.target)[0] < size:
                domain.blockResize(disk.target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        elif volume.datastore:
            self._pools.grow(conn, volume)
        else:
            _make_larger(volume.id, self._files.volume(volume.id), size)
        hit("agent.after-grow-volume")

    def drop(self, conn: libvirt.virConnect, volume: str, datastore: str) -> None:
        """See Driver.drop_volume."""
        self._refuse_anothers(conn, volume, "")
        if datastore:
            self._pools.drop(conn, volume, datastore)
        else:
            self._remove(volume)
        hit("agent.after-drop-volume")

    def _remove(self, volume: str) -> None:
        try:
            self._files.volume(volume).unlink(missing_ok=True)
            self._files.hold(volume, "")
        except OSError as error:
            raise HostFailed(f"volume {volume} can't be removed: {error}") from error

    def _made(self, conn: libvirt.virConnect, volume: VolumePlan) -> Lying:
        if volume.datastore:
            return self._pools.made(conn, volume)
        path = self._files.volume(volume.id)
        if not path.exists():
            _make(volume, path)
        return Lying(str(path))

    def _plug(self, domain: libvirt.virDomain, volume: str, lies: Lying) -> None:
        found = [definition(domain, flag) for flag in layers(domain)]
        bus = bus_of(found[0])
        if bus == "sata" and len(found) > 1 and not self._xml(found[1], volume):
            raise HostFailed(
                "the disks of this vm's system are on SATA, and can't be plugged in while it runs; stop it"
            )
        had = next((disk for xml in found if (disk := self._find(xml, volume))), None)
        target = had.target if had else free_target(bus, {disk.target for xml in found for disk in disks_of(xml)})
        plug(domain, disk_xml(lies, volume, bus, target), lambda xml: self._xml(xml, volume))

    def _refuse_anothers(self, conn: libvirt.virConnect, volume: str, vm: str) -> None:
        holder = self._files.holder(volume)
        if holder and holder != vm and self._domains.find(conn, holder) is not None:
            raise HostFailed(f"volume {volume} is plugged into vm {holder}")

    def _find(self, xml: str, volume: str) -> PluggedDisk | None:
        # Wherever it lies, the last of its path is its own: the id, or the id with our mark before it.
        own = self._files.volume(volume)
        names = (own.name, *self._pools.names(volume))
        return next((disk for disk in disks_of(xml) if Path(disk.source).name in names), None)

    def _xml(self, xml: str, volume: str) -> str:
        found = self._find(xml, volume)
        return found.xml if found else ""


def _make(volume: VolumePlan, path: Path) -> None:
    try:
        write_qcow2(path, volume.size_gib * _GIB)
    except (ValueError, OSError) as error:
        raise HostFailed(f"volume {volume.id} can't be made: {error}") from error


def _make_larger(volume: str, path: Path, size: int) -> None:
    """Of a file that nothing has open."""
    try:
        if disk_size(path) >= size:
            return
        command = ["qemu-img", "resize", "-q", "-f", "qcow2", str(path), str(size)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_RESIZE_S, check=False)
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        raise HostFailed(f"volume {volume} can't be made larger: {error}") from error
    if done.returncode:
        raise HostFailed(f"volume {volume} can't be made larger: {done.stderr.strip()[:500]}")
