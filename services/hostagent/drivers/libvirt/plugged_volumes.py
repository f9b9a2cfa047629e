# SPDX-License-Identifier: Apache-2.0
"""Volumes on libvirt: a qcow2 file each beside the vms' directories, plugged into one vm at a time."""

import subprocess
from pathlib import Path

import libvirt

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.libvirt.disk_xml import PluggedDisk, bus_of, disk_xml, disks_of, free_target
from services.hostagent.drivers.libvirt.domains import Domains
from services.hostagent.drivers.libvirt.plugging import CONFIG, definition, layers, plug, unplug
from services.hostagent.drivers.libvirt.qcow2 import disk_size, write_qcow2
from services.hostagent.drivers.vm_files import VmFiles

_GIB = 1 << 30
_RESIZE_S = 60.0


class PluggedVolumes:
    """Whose a volume is stands in a file beside it, written before it is plugged in and removed after it is out."""

    def __init__(self, files: VmFiles, domains: Domains) -> None:
        self._files = files
        self._domains = domains

    def attach(self, conn: libvirt.virConnect, vm: str, volume: VolumePlan) -> None:
        """See Driver.attach_volume."""
        domain = self._domains.need(conn, vm)
        self._refuse_anothers(conn, volume.id, vm)
        path = self._files.volume(volume.id)
        hit("agent.before-attach-volume")
        if not path.exists():
            _make(volume, path)
        self._files.hold(volume.id, vm)
        self._plug(domain, volume.id)
        hit("agent.after-attach-volume")

    def attach_again(self, domain: libvirt.virDomain, vm: str) -> None:
        """Into a definition that was made anew: all that is the vm's."""
        for volume in self._files.held_by(vm):
            self._plug(domain, volume)

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
        domain, path, size = self._domains.need(conn, vm), self._files.volume(volume.id), volume.size_gib * _GIB
        disk = self._find(definition(domain, CONFIG), volume.id)
        if disk is None:
            raise HostFailed(f"volume {volume.id} is not plugged into vm {vm}")
        hit("agent.before-grow-volume")
        if domain.isActive():
            if domain.blockInfo(disk.target)[0] < size:
                domain.blockResize(disk.target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        else:
            _make_larger(volume.id, path, size)
        hit("agent.after-grow-volume")

    def drop(self, conn: libvirt.virConnect, volume: str) -> None:
        """See Driver.drop_volume."""
        self._refuse_anothers(conn, volume, "")
        try:
            self._files.volume(volume).unlink(missing_ok=True)
            self._files.hold(volume, "")
        except OSError as error:
            raise HostFailed(f"volume {volume} can't be removed: {error}") from error
        hit("agent.after-drop-volume")

    def _plug(self, domain: libvirt.virDomain, volume: str) -> None:
        found = [definition(domain, flag) for flag in layers(domain)]
        bus, path = bus_of(found[0]), self._files.volume(volume)
        if bus == "sata" and len(found) > 1 and not self._xml(found[1], volume):
            raise HostFailed(
                "the disks of this vm's system are on SATA, and can't be plugged in while it runs; stop it"
            )
        had = next((disk for xml in found if (disk := self._find(xml, volume))), None)
        target = had.target if had else free_target(bus, {disk.target for xml in found for disk in disks_of(xml)})
        plug(domain, disk_xml(path, volume, bus, target), lambda xml: self._xml(xml, volume))

    def _refuse_anothers(self, conn: libvirt.virConnect, volume: str, vm: str) -> None:
        holder = self._files.holder(volume)
        if holder and holder != vm and self._domains.find(conn, holder) is not None:
            raise HostFailed(f"volume {volume} is plugged into vm {holder}")

    def _find(self, xml: str, volume: str) -> PluggedDisk | None:
        path = str(self._files.volume(volume))
        return next((disk for disk in disks_of(xml) if disk.source == path), None)

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
