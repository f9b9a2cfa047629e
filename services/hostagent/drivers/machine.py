# SPDX-License-Identifier: Apache-2.0
"""How busy this machine is, as Linux tells it."""

from collections.abc import Mapping
from pathlib import Path

from services.hostagent.drivers.base import Usage
from services.hostagent.drivers.vm_files import VmFiles


class Machine:
    """CPU in use between two calls, memory and disk now."""

    def __init__(self, files: VmFiles, proc: Path = Path("/proc")) -> None:
        self._files = files
        self._proc = proc
        self._busy, self._total = 0, 0

    def usage(self, running_vms: int, vm_cpu_s: Mapping[str, float] | None = None) -> Usage:
        """How busy the machine is since the last call (the first one: since boot)."""
        return Usage(
            cpu_percent=self._cpu_percent(),
            memory_used_mib=self._memory_used_mib(),
            disk_used_gib=round(self._files.used_bytes() / (1 << 30), 3),
            running_vms=running_vms,
            vm_cpu_s=vm_cpu_s or {},
        )

    def _cpu_percent(self) -> float:
        first = (self._proc / "stat").read_text().split("\n", 1)[0]
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, first.split()[1:9])
        busy = user + nice + system + irq + softirq + steal
        total = busy + idle + iowait
        spent, passed = busy - self._busy, total - self._total
        self._busy, self._total = busy, total
        return round(min(100.0, max(0.0, 100.0 * spent / passed)), 1) if passed > 0 else 0.0

    def _memory_used_mib(self) -> int:
        kib = self._meminfo()
        return max(0, kib["MemTotal"] - kib["MemAvailable"]) >> 10

    def memory_mib(self) -> int:
        """The memory of the machine. (libvirt's own figure misses memory that was plugged in after the boot.)"""
        return self._meminfo()["MemTotal"] >> 10

    def _meminfo(self) -> dict[str, int]:
        lines = (self._proc / "meminfo").read_text().splitlines()
        return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
