# SPDX-License-Identifier: Apache-2.0
"""Copies of a domain's first disk: whole and flat, so that a clone stands on nothing else; or overlays of it."""

import subprocess
from pathlib import Path
from uuid import uuid4

import libvirt

from services.common.contracts.commands import ClonePlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import Copied
from services.hostagent.drivers.disk_mode import disk_mode
from services.hostagent.drivers.libvirt.disk_xml import disks_of
from services.hostagent.drivers.libvirt.qcow2 import Base, disk_size, write_qcow2
from services.hostagent.drivers.qemu_img import convert

FIRST = "root-0.qcow2"
_GIB = 1 << 30
_GROW_S = 60.0


def source_disk(domain: libvirt.virDomain, directory: Path) -> Path:
    """The first disk of a domain that is off; HostFailed where it has none of its own, or isn't off."""
    if domain.isActive():
        raise HostFailed(f"{domain.name()} is not off: a vm is cloned while it is")
    own = [Path(disk.source) for disk in disks_of(domain.XMLDesc()) if disk.source]
    found = next((path for path in own if path == directory / FIRST), None)
    if found is None:
        raise HostFailed(f"{domain.name()} has no disk of its own that could be copied")
    return found


def copy_disk(source: Path, directory: Path, clone: ClonePlan, copied: Copied) -> None:
    """Make the copy, all or nothing; HostFailed with qemu-img's own words."""
    directory.mkdir(mode=0o711, exist_ok=True)
    for left in directory.glob(f".{FIRST}.*.draft"):
        left.unlink(missing_ok=True)  # whoever may still write to it, writes to nobody's file
    draft = directory / f".{FIRST}.{uuid4().hex}.draft"
    hit("agent.before-clone")
    try:
        convert(source, "qcow2", draft, ("-O", "qcow2"), copied)
        if clone.size_gib * _GIB > disk_size(draft):
            _grow(draft, clone.size_gib * _GIB)
        draft.chmod(disk_mode())
        hit("agent.before-clone-kept")
        draft.rename(directory / FIRST)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise HostFailed(f"copying {source.name} of vm {clone.source}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    hit("agent.after-clone")


def link_disk(source: Path, directory: Path, clone: ClonePlan) -> None:
    """Make an overlay of the source's disk, all or nothing."""
    directory.mkdir(mode=0o711, exist_ok=True)
    hit("agent.before-clone")
    try:
        size = disk_size(source)
        write_qcow2(directory / FIRST, max(size, clone.size_gib * _GIB), Base(source, "qcow2", size))
    except (OSError, ValueError) as error:
        raise HostFailed(f"linking to {source.name} of vm {clone.source}: {error}") from error
    hit("agent.after-clone")


def _grow(draft: Path, size: int) -> None:
    command = ["qemu-img", "resize", "-q", "-f", "qcow2", str(draft), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_GROW_S, check=False)
    if done.returncode:
        raise HostFailed(f"making a copied disk larger: {done.stderr.strip()}")
