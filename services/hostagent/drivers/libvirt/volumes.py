# SPDX-License-Identifier: Apache-2.0
"""A vm's disks as files in its directory. What exists keeps its content: it may be a guest's data."""

from collections.abc import Mapping
from pathlib import Path

from services.common.contracts.commands import DeployPlan, DiskPlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.libvirt.domain_xml import DiskFile, Files
from services.hostagent.drivers.libvirt.qcow2 import Base, check_overlay, read_base, standing_on, write_qcow2

_GIB = 1 << 30
_READ_ONLY = frozenset({"iso"})


def make_files(plan: DeployPlan, directory: Path, port: Path, files: Mapping[str, Path]) -> Files:
    """Make what is missing of the vm's files and name them all; HostFailed says which disk can't be made."""
    directory.mkdir(mode=0o711, exist_ok=True)
    wanted = [(f"{disk.role}-{n}", disk) for n, disk in enumerate(plan.disks) if disk.base or disk.size_gib]
    disks = [_disk(disk, name, directory, files) for name, disk in wanted]
    return Files(
        disks=disks,
        port=port,
        console=directory / "console.log",
        kernel=files[plan.kernel.sha256] if plan.kernel else None,
        initrd=files[plan.initrd.sha256] if plan.initrd else None,
    )


def _disk(disk: DiskPlan, name: str, directory: Path, files: Mapping[str, Path]) -> DiskFile:
    cdrom = disk.device == "cdrom"
    bootable = disk.role != "seed"
    try:
        if disk.base is not None and disk.backing is not None:
            overlay = files[disk.base.sha256]
            return DiskFile(overlay, "qcow2", cdrom, bootable, check_overlay(overlay, files[disk.backing.sha256]))
        if disk.base is not None and (cdrom or disk.base.format in _READ_ONLY) and disk.base.format != "qcow2":
            return DiskFile(files[disk.base.sha256], "raw", cdrom, bootable)
        path = directory / f"{name}.qcow2"
        if path.exists():
            # It may be older than the master of today, or another vm's copy: it says itself what it stands on.
            return DiskFile(path, "qcow2", cdrom, bootable, standing_on(path))
        if disk.cloned:
            raise ValueError("it was not copied yet")
        base = read_base(files[disk.base.sha256], disk.base.format) if disk.base is not None else None
        hit("agent.before-volume")
        write_qcow2(path, _size(disk, base), base)
        hit("agent.after-volume")
    except (ValueError, OSError) as error:
        raise HostFailed(f"disk {name}: {error}") from error
    return DiskFile(path, "qcow2", cdrom, bootable, base)


def _size(disk: DiskPlan, base: Base | None) -> int:
    return disk.size_gib * _GIB or (base.size if base else 0)
