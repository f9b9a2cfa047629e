# SPDX-License-Identifier: Apache-2.0
"""KVM or TCG. /dev/kvm may exist and still hang every guest, so `auto` believes only a guest that speaks."""

import os
import select
import shutil
import subprocess
import time
from xml.etree import ElementTree

import libvirt

from services.common.contracts.errors import HostFailed
from services.common.runtime.log import get_logger

log = get_logger(__name__)
_PROBE_S = 5.0
_QEMU = "qemu-system-x86_64"


def choose_accelerator(conn: libvirt.virConnect, wanted: str) -> str:
    """kvm or tcg; HostFailed when kvm is demanded and libvirt doesn't offer it."""
    offered = "kvm" in _guest_types(conn)
    if wanted == "kvm" and not offered:
        raise HostFailed("accelerator: kvm is configured, but libvirt offers none here; use auto or tcg")
    if wanted == "auto":
        wanted = "kvm" if offered and kvm_boots() else "tcg"
    log.info("accelerator chosen", accelerator=wanted, kvm_offered=offered)
    return wanted


def kvm_boots(timeout_s: float = _PROBE_S) -> bool:
    """Whether a firmware really runs under KVM here: it must speak on its debug port within the time."""
    qemu = shutil.which(_QEMU)
    if qemu is None or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    machine = ["-machine", "q35,accel=kvm", "-m", "32", "-nodefaults", "-no-user-config", "-display", "none"]
    speak = ["-chardev", "stdio,id=d", "-device", "isa-debugcon,iobase=0x402,chardev=d"]
    with subprocess.Popen(
        [qemu, *machine, *speak], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as probe:
        try:
            return _speaks(probe, timeout_s)
        finally:
            probe.kill()


def _speaks(probe: "subprocess.Popen[bytes]", timeout_s: float) -> bool:
    heard, deadline = b"", time.monotonic() + timeout_s
    assert probe.stdout is not None
    while (left := deadline - time.monotonic()) > 0:
        if select.select([probe.stdout], [], [], left)[0]:
            part = os.read(probe.stdout.fileno(), 4096)
            heard += part
            if b"SeaBIOS" in heard or not part:
                break
    return b"SeaBIOS" in heard


def _guest_types(conn: libvirt.virConnect) -> set[str]:
    capabilities = ElementTree.fromstring(conn.getCapabilities())
    return {domain.get("type", "") for domain in capabilities.findall("./guest/arch/domain")}
