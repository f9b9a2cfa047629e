# SPDX-License-Identifier: Apache-2.0
"""A private system-mode libvirtd beside the machine's own: own directories, own /dev, optionally an own network.

Guests, their networks and their log daemon outlive `stop()` and `kill()` and are met again by the next `start()` on the
same directory; `purge()` ends them.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import subprocess
import sys
import tempfile
import time
import uuid
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from deploy.local.files import read_json, write, write_json
from deploy.local.pid import Pid
from deploy.local.servers import libvirtd_room
from deploy.local.servers.base import Server, ServerError, last_lines, need, plain_env

_SOCKET = "run/libvirt-sock"
_SOCKET_LIMIT = 107
_FILTERS = Path("/etc/libvirt/nwfilter")

_LIBVIRTD = """\
host_uuid = "{uuid}"
unix_sock_group = "{group}"
unix_sock_ro_perms = "0770"
unix_sock_rw_perms = "0770"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
max_clients = 200
"""

# No cgroups: two libvirtds on one machine would meet in the same slice under the same names.
_QEMU = """\
user = "+{uid}"
group = "+{gid}"
dynamic_ownership = {gives}
remember_owner = {gives}
security_driver = "none"
security_default_confined = 0
namespaces = []
cgroup_controllers = []
hugetlbfs_mount = []
stdio_handler = "logd"
vnc_listen = "127.0.0.1"
"""


def _copy_filters(to: Path) -> None:
    """libvirt's own network filters, which its package has put there for the machine's libvirtd alone."""
    to.mkdir(exist_ok=True)
    for filter_ in _FILTERS.glob("*.xml"):
        write(to / filter_.name, filter_.read_text())


class Libvirtd(Server):
    """libvirtd in `directory`. `kvm` shows it /dev/kvm; `netns` gives it a network of its own (bridges don't meet).

    Guests run as the caller and nothing is chowned, so the files our agent makes stay its own. With `qemu`, a user of
    the machine, guests run as that one, and libvirt gives it their files, as distributions have it.
    """

    name: ClassVar[str] = "libvirtd"

    def __init__(self, directory: Path, kvm: bool = False, netns: bool = False, qemu: str = "") -> None:
        super().__init__(directory)
        self._kvm = kvm
        self._netns = netns
        self._qemu = qemu
        self._spawned = 0.0

    @property
    def url(self) -> str:
        """The connection URI for libvirt and virsh."""
        return f"qemu+unix:///system?socket={self._reachable / _SOCKET}"

    def prepare(self) -> None:
        for program in libvirtd_room.DAEMONS:
            need(program, package="libvirt-daemon-system")
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in libvirtd_room.COVERED:
            (self.directory / name).mkdir(exist_ok=True)
        (self.directory / "log" / "qemu").mkdir(exist_ok=True)  # the Debian package makes it; guests log there
        self._write_settings()
        if self._netns and not os.path.ismount(self._netns_file):
            self._netns_file.touch()
            self._as_root(["unshare", f"--net={self._netns_file}", "ip", "link", "set", "lo", "up"])

    def command(self) -> list[str]:
        network = ["nsenter", f"--net={self._netns_file}"] if self._netns else []
        namespace = ["unshare", "--mount", "--propagation", "private"]
        return [*network, *namespace, *self._room("run")]

    def env(self) -> dict[str, str]:
        return plain_env(HOME="/root")

    def ready(self) -> bool:
        if not (self.directory / _SOCKET).exists():
            return False
        try:
            return self.virsh("uri", timeout=10).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def alive(self) -> bool:
        return any(pid.alive() for pid in self.pids())

    def start(self, timeout: float = 60.0) -> Self:
        """Start it and return once the first guest can be started without waiting for QEMU to be probed."""
        super().start(timeout)
        self.virsh("domcapabilities", timeout=timeout)
        return self

    def stop(self) -> None:
        """End libvirtd; guests go on."""
        self._finish_room("stop")

    def kill(self) -> None:
        """SIGKILL libvirtd and its keeper; guests go on."""
        self._finish_room("kill")

    def purge(self) -> None:
        """End every guest and network, then libvirtd, then delete what it kept."""
        if not (self.directory / "run").exists():
            return
        if any((self.directory / "run" / "network").glob("*.xml")) and not self._netns:
            self.start()  # only libvirt knows the bridges and firewall rules it made
            for network in self.virsh("net-list", "--name").stdout.split():
                self.virsh("net-destroy", network)
        self._finish_room("purge")
        if os.path.ismount(self._netns_file):
            self._as_root(["umount", str(self._netns_file)])
        self._as_root(["rm", "-rf", *(str(self.directory / name) for name in libvirtd_room.COVERED)])

    def wipe(self) -> None:
        """The same as `purge`: libvirtd's data are its guests."""
        self.purge()

    def pids(self) -> list[Pid]:
        """The keeper, libvirtd and virtlogd; not the guests."""
        found = [Pid.from_dict(entry) for entry in read_json(self._pid_file, [])]
        return [pid for pid in found if pid.alive()]

    def virsh(self, *words: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run virsh on this libvirtd; the caller looks at the return code."""
        command = [need("virsh", package="libvirt-clients"), "-q", "-c", self.url, *words]
        env = plain_env(HOME=str(self.directory))
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=timeout)

    def _write_settings(self) -> None:
        etc, me = self.directory / "etc", pwd.getpwuid(os.getuid())
        identity = self.directory / "host-uuid"
        if not identity.exists():
            write(identity, str(uuid.uuid4()))
        group = grp.getgrgid(me.pw_gid).gr_name
        write(etc / "libvirtd.conf", _LIBVIRTD.format(uuid=identity.read_text(), group=group))
        guests = pwd.getpwnam(self._qemu) if self._qemu else me
        gives = int(bool(self._qemu))
        write(etc / "qemu.conf", _QEMU.format(uid=guests.pw_uid, gid=guests.pw_gid, gives=gives))
        write(etc / "virtlogd.conf", 'log_outputs = "3:file:/var/log/libvirt/virtlogd.log"\n')
        _copy_filters(etc / "nwfilter")
        programs = {name: need(name, package="libvirt-daemon-system") for name in libvirtd_room.DAEMONS}
        user = {"uid": me.pw_uid, "gid": me.pw_gid}
        write_json(self.directory / "room.json", {"kvm": self._kvm, "netns": self._netns, **user, **programs})

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            subprocess.run(
                [*_sudo(), "setsid", "--fork", *self.command()],
                env=self.env(),
                cwd="/",
                stdin=None if _sudo() else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )
        self._spawned = time.monotonic()

    def _failed(self) -> str:
        silent = time.monotonic() - self._spawned > 5 and not self.alive()
        return "ended at its start" if silent else ""

    def tail(self, lines: int = 15) -> str:
        inner = self.directory / "log" / "libvirtd.log"
        return "\n".join([super().tail(lines), *last_lines(inner, lines)])

    def _record(self) -> None:
        """The keeper writes its own pids."""

    def _finish_room(self, verb: str) -> None:
        if (self.directory / "run").exists():
            self._as_root(self._room(verb))

    def _room(self, verb: str) -> list[str]:
        return [sys.executable, "-I", libvirtd_room.__file__, verb, str(self.directory)]

    def _as_root(self, command: list[str]) -> None:
        done = subprocess.run([*_sudo(), *command], env=self.env(), check=False, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise ServerError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")

    @property
    def _netns_file(self) -> Path:
        return self.directory / "netns"

    @cached_property
    def _reachable(self) -> Path:
        """The directory, or a short link to it where its path is too long for a unix socket's name."""
        if len(str(self.directory / _SOCKET)) + len("-ro") <= _SOCKET_LIMIT:
            return self.directory
        digest = hashlib.sha256(str(self.directory).encode()).hexdigest()[:10]
        link = Path(tempfile.gettempdir(), f"innkeeper-{os.getuid()}-{digest}")
        if not link.is_symlink():
            link.symlink_to(self.directory)
        if link.lstat().st_uid != os.getuid() or link.resolve() != self.directory.resolve():
            raise ServerError(f"{link} isn't ours; remove it, or use a checkout with a path under 80 characters.")
        return link


def _sudo() -> list[str]:
    """What goes before a command that needs root."""
    if os.geteuid() == 0:
        return []
    return [need("sudo", package="sudo")]
