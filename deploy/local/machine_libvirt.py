# SPDX-License-Identifier: Apache-2.0
"""Decides which libvirtd the stack uses: the machine's own where it is running and usable, else a private one."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.kvm_probe import Accel
from deploy.local.servers.base import plain_env

URI = "qemu:///system"
_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
_LIMIT = 5


@dataclass(frozen=True)
class Choice:
    """`uri` is None where the machine's own libvirtd can't serve; `why` is for the user."""

    uri: str | None
    why: str


def choose(accel: Accel, ours: Path) -> Choice:
    """The machine's libvirtd if it answers within 5 s, doesn't fall into a dead KVM, and its guests can read `ours`."""
    if not any(Path(socket).is_socket() for socket in _SOCKETS):
        return Choice(None, "no libvirtd runs on this machine")
    if accel.kind == "tcg" and Path("/dev/kvm").exists():
        return Choice(None, "the machine's libvirtd would try a KVM that doesn't work")
    answer = _virsh("capabilities")
    if answer is None:
        return Choice(None, f"the machine's libvirtd doesn't answer within {_LIMIT} s, or not to this user")
    user = _guest_user()
    blocked = _first_closed(ours, user)
    if blocked is not None:
        return Choice(None, f"the machine's libvirtd runs guests as {user}, who can't enter {blocked}")
    return Choice(URI, f"the machine's libvirtd answers, and {user} can read our files")


def _virsh(*words: str) -> str | None:
    command = ["virsh", "-q", "-c", URI, *words]
    try:
        done = subprocess.run(command, env=plain_env(), capture_output=True, text=True, timeout=_LIMIT, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return None
    return done.stdout if done.returncode == 0 else None


def _guest_user(conf: Path = Path("/etc/libvirt/qemu.conf")) -> str:
    """Whom the machine's libvirtd runs guests as: qemu.conf's word, else the distribution's default."""
    try:
        lines = conf.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "user":
            return value.strip().strip('"').lstrip("+")
    return "libvirt-qemu"


def _first_closed(path: Path, user: str) -> Path | None:
    """The first directory on the way to `path` that `user` can't walk through; None when the way is open."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        return path
    if entry.pw_uid == 0:
        return None
    groups = set(os.getgrouplist(entry.pw_name, entry.pw_gid))
    for directory in [*reversed(path.absolute().parents), path]:
        status = directory.stat()
        bit = 0o100 if status.st_uid == entry.pw_uid else 0o010 if status.st_gid in groups else 0o001
        if not status.st_mode & bit:
            return directory
    return None


def guests_with_files_in(directory: Path) -> list[str]:
    """The UUIDs of guests on the machine's libvirtd that use files of `directory`."""
    listed = (_virsh("list", "--all", "--uuid") or "").split()
    return [uuid for uuid in listed if f"{directory}/" in (_virsh("dumpxml", uuid) or "")]


def remove_guest(uuid: str) -> None:
    """End one guest and forget its definition; a guest that is gone is fine."""
    _virsh("destroy", uuid)
    _virsh("undefine", uuid, "--nvram", "--managed-save", "--snapshots-metadata")
