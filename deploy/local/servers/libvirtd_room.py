# SPDX-License-Identifier: Apache-2.0
"""The room a private libvirtd lives in: a mount namespace where its directories and a small /dev cover the machine's.

Runs as root by path, standard library only: `libvirtd_room.py run|stop|kill|purge DIRECTORY`. A process belongs to the
room when the /run/libvirt and /var/lib/libvirt it sees are DIRECTORY's; that, and no pid file, decides what is
signalled.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

COVERED = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "etc": "/etc/libvirt",
    "log": "/var/log/libvirt",
}
_TELLING = ("run", "lib")
# Without /dev/kvm libvirt can't fall into probing a KVM that hangs (60 s for a first start).
DEVICES = ["null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "net", "vhost-net"]
DAEMONS = ("libvirtd", "virtlogd")


def enter(directory: Path, settings: dict[str, object]) -> None:
    """Cover the machine's libvirt directories and /dev; only this mount namespace sees it."""
    if settings["netns"]:
        _fresh_sys(directory)
    for name, target in COVERED.items():
        os.makedirs(target, exist_ok=True)
        _mount("--bind", str(directory / name), target)
    small = directory / "dev"
    small.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=0755,size=1m", "tmpfs", str(small))
    for name in DEVICES:
        _show_device(Path("/dev", name), small / name)
    # The kernel looks for `pts` beside the node itself, so a bind mount of ptmx would open no terminal.
    _make_device(small / "ptmx", os.makedev(5, 2), 0o666)
    if settings["kvm"]:
        _make_device(small / "kvm", os.stat("/dev/kvm").st_rdev, 0o600)
        os.chown(small / "kvm", int(str(settings["uid"])), int(str(settings["gid"])))
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (small / name).symlink_to(f"/proc/self/fd{target}")
    _mount("--rbind", str(small), "/dev")


def _show_device(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    elif source.is_dir():
        target.mkdir()
        _mount("--bind", str(source), str(target))
    elif source.exists():
        target.touch()
        _mount("--bind", str(source), str(target))


def _make_device(path: Path, device: int, mode: int) -> None:
    os.mknod(path, mode | stat.S_IFCHR, device)
    path.chmod(mode)


def _fresh_sys(directory: Path) -> None:
    """A /sys that shows this network namespace's interfaces, with the machine's cgroups kept."""
    fresh = directory / "sys"
    fresh.mkdir(exist_ok=True)
    _mount("-t", "sysfs", "sysfs", str(fresh))
    _mount("--rbind", "/sys/fs/cgroup", str(fresh / "fs/cgroup"))
    _mount("--rbind", str(fresh), "/sys")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def members(directory: Path) -> list[int]:
    """The processes of this room, by what they see; a container that was given the sockets alone is none."""
    mine = [_identity(directory / name) for name in _TELLING]
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if [_identity(Path(f"/proc/{name}/root{COVERED[told]}")) for told in _TELLING] == mine:
                    found.append(int(name))
    return found


def _identity(path: Path) -> tuple[int, int]:
    seen = os.stat(path)
    return seen.st_dev, seen.st_ino


def is_guest(pid: int) -> bool:
    """Whether this is a virtual machine."""
    return _name(pid).startswith("qemu-system")


def _name(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def _started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


class Keeper:
    """Runs virtlogd and libvirtd, starts them again when they crash, and reaps guests that end."""

    def __init__(self, directory: Path, settings: dict[str, object]) -> None:
        self._directory = directory
        # With the user's group libvirtd makes guests' sockets (mode 0775) that the user's agent may use.
        self._uid, self._gid = int(str(settings["uid"])), int(str(settings["gid"]))
        self._programs = {name: str(settings[name]) for name in DAEMONS}
        self._pids: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._delay = dict.fromkeys(DAEMONS, 0.2)
        self._stopping = False

    def run(self) -> None:
        """Return when asked to stop, after libvirtd ended; virtlogd stays while guests write to it."""
        waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if not _listens(self._directory / "run/virtlogd-sock"):
            self._start("virtlogd")
        self._start("libvirtd")
        while not self._stopping:
            self._reap()
            self._revive()
            self._hand_over_logs()
            if select.select([waker], [], [], 1.0)[0]:
                os.read(waker, 4096)
        self._end("libvirtd", 20)
        if not any(is_guest(pid) for pid in members(self._directory)):
            self._end("virtlogd", 5)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, name: str) -> None:
        pid_file = f"/run/libvirt/{name}.pid"
        command = [self._programs[name], "-f", f"/etc/libvirt/{name}.conf", "-p", pid_file]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, group=self._gid)
        self._pids[name] = child.pid
        self._started[name] = time.monotonic()
        child.returncode = 0  # reaped in _reap, not by subprocess
        self._record()

    def _record(self) -> None:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        known = [os.getpid(), *self._pids.values()]
        entries = [{"pid": pid, "started": _started(pid), "boot": boot} for pid in known]
        fresh = self._directory / "pids.json.new"
        fresh.write_text(json.dumps(entries))
        fresh.replace(self._directory / "pids.json")

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name in [name for name, known in self._pids.items() if known == pid]:
                del self._pids[name]

    def _revive(self) -> None:
        for name in DAEMONS:
            if name in self._pids or name not in self._started:
                continue
            now = time.monotonic()
            if now - self._started[name] > 60:
                self._delay[name] = 0.2
            if now - self._started[name] >= self._delay[name]:
                self._delay[name] = min(10.0, self._delay[name] * 2)
                self._start(name)

    def _hand_over_logs(self) -> None:
        """Give guests' console logs to the user, since virtlogd makes them root's alone, also when it rotates them."""
        if self._uid == 0:
            return
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._directory / "run/virtlogd.pid").read_text())
            if _name(pid) != "virtlogd":
                return
            for name in os.listdir(f"/proc/{pid}/fd"):
                file = f"/proc/{pid}/fd/{name}"
                status = os.stat(file)
                if stat.S_ISREG(status.st_mode) and status.st_uid == 0 and not _is_pid_file(file):
                    os.chown(file, self._uid, self._gid)

    def _end(self, name: str, grace: float) -> None:
        pid = self._pids.get(name)
        if pid is not None:
            _end([pid], grace, self._reap)
        elif name == "virtlogd":
            _end([pid for pid in members(self._directory) if _name(pid) == name], grace, self._reap)


def _is_pid_file(link: str) -> bool:
    return os.readlink(link).endswith(".pid")


def _listens(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except OSError:
        return False
    return True


def _end(pids: list[int], grace: float, meanwhile: Callable[[], None] = lambda: None) -> None:
    """SIGTERM, then SIGKILL after `grace` seconds."""
    for number in ([signal.SIGTERM] if grace else []) + [signal.SIGKILL]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + (grace if number == signal.SIGTERM else 5)
        while pids and time.monotonic() < deadline:
            meanwhile()
            pids = [pid for pid in pids if _name(pid)]
            time.sleep(0.02)


def end(directory: Path, verb: str) -> None:
    """stop: the keeper in good order; kill: keeper and libvirtd at once; purge: everything, guests and dnsmasq too."""
    everyone = members(directory)
    guests = [pid for pid in everyone if is_guest(pid)]
    keepers = [pid for pid in everyone if _name(pid).startswith("python")]
    if verb == "purge":
        _end(keepers, 25)
        _end(guests, 2)
        _end(members(directory), 2)
    else:
        _end(keepers, 25 if verb == "stop" else 0)
        keep = {"dnsmasq"} | ({"virtlogd"} if guests else set())
        rest = [pid for pid in members(directory) if not is_guest(pid) and _name(pid) not in keep]
        _end(rest, 10 if verb == "stop" else 0)


def main(verb: str, directory: Path) -> None:
    """Run one verb."""
    if verb != "run":
        end(directory, verb)
        return
    settings = json.loads((directory / "room.json").read_text())
    enter(directory, settings)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: guests that end are reaped here at once
    Keeper(directory, settings).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).absolute())
