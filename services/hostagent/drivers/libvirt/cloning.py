# SPDX-License-Identifier: Apache-2.0
"""Copies of a domain's first disk: whole and flat, so that a clone stands on nothing else; or overlays of it."""

import os
import re
import select
import subprocess
from pathlib import Path
from uuid import uuid4

import libvirt

from services.common.contracts.commands import ClonePlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import Copied
from services.hostagent.drivers.libvirt.disk_xml import disks_of
from services.hostagent.drivers.libvirt.qcow2 import Base, disk_size, write_qcow2

FIRST = "root-0.qcow2"
_GIB = 1 << 30
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_LOOK_S = 1.0
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
        _convert(source, draft, copied)
        if clone.size_gib * _GIB > disk_size(draft):
            _grow(draft, clone.size_gib * _GIB)
        draft.chmod(0o600)
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


def _convert(source: Path, draft: Path, copied: Copied) -> None:
    # Formats are named, never guessed from what a guest has written.
    command = ["qemu-img", "convert", "-p", "-f", "qcow2", "-O", "qcow2", str(source), str(draft)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            _follow(process, copied)
        except BaseException:
            process.kill()
            raise
        words = process.stderr.read() if process.stderr is not None else b""
    if process.returncode:
        told = words.decode(errors="replace").strip()
        raise HostFailed(f"copying {source.name}: qemu-img ended with {process.returncode}: {told}")


def _follow(process: "subprocess.Popen[bytes]", copied: Copied) -> None:
    """Tell how far it is, about once a second and at least as often as it says so itself."""
    assert process.stdout is not None
    percent, output = 0.0, process.stdout.fileno()
    while True:
        copied(percent)
        if not select.select([output], [], [], _LOOK_S)[0]:
            continue
        text = os.read(output, 4096)
        if not text:
            return
        told = _PERCENT.findall(text)
        percent = float(told[-1]) if told else percent


def _grow(draft: Path, size: int) -> None:
    command = ["qemu-img", "resize", "-q", "-f", "qcow2", str(draft), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_GROW_S, check=False)
    if done.returncode:
        raise HostFailed(f"making a copied disk larger: {done.stderr.strip()}")
