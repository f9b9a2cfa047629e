# SPDX-License-Identifier: Apache-2.0
"""The messages of the guest protocol, filled with what this system says about itself."""

# ruff: noqa: UP006, UP035  (Python 3.6 runs this)
import os
import socket
from typing import Any, Dict, List, Set

from services.guestagent import netlink

AGENT = "innkeeper-guest/1"
_STUBS = {"127.0.0.53", "127.0.0.54"}  # systemd-resolved; the real servers are in its own file


def hello() -> Dict[str, Any]:
    """Who speaks."""
    return {"type": "hello", "agent": AGENT, "boot_id": boot_id(), "hostname": socket.gethostname(), "os": _os()}


def report() -> Dict[str, Any]:
    """The network as it is."""
    return {
        "type": "report",
        "boot_id": boot_id(),
        "hostname": socket.gethostname(),
        "interfaces": netlink.interfaces()[:64],
        "routes": netlink.routes()[:256],
        "dns": dns()[:16],
    }


def load() -> Dict[str, Any]:
    """How busy the system is."""
    memory = _memory_kib()
    return {
        "type": "load",
        "load1": os.getloadavg()[0],
        "memory_total_mib": memory.get("MemTotal", 0) >> 10,
        "memory_free_mib": memory.get("MemAvailable", memory.get("MemFree", 0)) >> 10,
        "disks": disks()[:64],
    }


def heartbeat() -> Dict[str, Any]:
    """Still there."""
    return {"type": "heartbeat", "uptime_s": float(read("/proc/uptime").split()[0])}


def boot_id() -> str:
    """Different after every boot."""
    return read("/proc/sys/kernel/random/boot_id").strip()


def dns(resolv: str = "/etc/resolv.conf", resolved: str = "/run/systemd/resolve/resolv.conf") -> List[str]:
    """The name servers that are really asked."""
    servers = _servers(resolv)
    return _servers(resolved) or servers if set(servers) & _STUBS else servers


def disks(mounts: str = "/proc/mounts") -> List[Dict[str, Any]]:
    """Mounted file systems on block devices, each device once."""
    found: List[Dict[str, Any]] = []
    seen: Set[str] = set()
    for line in read(mounts).splitlines():
        fields = line.split()
        if len(fields) < 2 or not fields[0].startswith("/dev/") or fields[0] in seen:
            continue
        seen.add(fields[0])
        try:
            sizes = os.statvfs(fields[1])
        except OSError:
            continue  # mounted over, or not for us to see
        mib = sizes.f_frsize / float(1 << 20)
        found.append(
            {"mount": fields[1], "total_mib": int(sizes.f_blocks * mib), "free_mib": int(sizes.f_bavail * mib)}
        )
    return found


def read(path: str) -> str:
    """The text of a small file, "" where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _servers(path: str) -> List[str]:
    words = (line.split() for line in read(path).splitlines())
    return [w[1].split("%")[0] for w in words if len(w) > 1 and w[0] == "nameserver"]


def _os() -> str:
    for line in read("/etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip("\"' ")
    return f"{os.uname().sysname} {os.uname().release}"


def _memory_kib() -> Dict[str, int]:
    lines = (line.partition(":") for line in read("/proc/meminfo").splitlines())
    return {name: int(rest.split()[0]) for name, _, rest in lines if rest.split()}
