# SPDX-License-Identifier: Apache-2.0
"""The mode of a disk's file, by what this process may do.

libvirt gives the disks of a vm that starts to QEMU's user and group. It takes them back when the vm ends, but not those
that are read-only, those that linked clones read as well, nor any after a power cut.
"""

import os
from functools import cache
from pathlib import Path

_DAC_OVERRIDE = 1 << 1  # see capabilities(7)


@cache
def disk_mode() -> int:
    """0600; 0660 for a root who is bound by file modes, as in a container: QEMU's group lets it at what is QEMU's."""
    return 0o660 if os.geteuid() == 0 and bound(Path("/proc/self/status").read_text()) else 0o600


def bound(status: str) -> bool:
    """Whether a process of this /proc/*/status is bound by file modes."""
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return not int(effective, 16) & _DAC_OVERRIDE
