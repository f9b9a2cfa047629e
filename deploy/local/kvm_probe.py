# SPDX-License-Identifier: Apache-2.0
"""Is KVM really usable? /dev/kvm may exist and hang every guest, so a boot sector of our own is booted on it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from deploy.local.files import read_json, write_json

_QEMU = "qemu-system-x86_64"
_LIMIT = 5.0
_WORD = 0x10
_EXIT = (_WORD << 1) | 1  # isa-debug-exit turns a written v into exit status 2v+1

# mov al, 0x10; out 0xf4, al; hlt; jmp back — padded to a sector with the BIOS signature.
BOOT_SECTOR = bytes([0xB0, _WORD, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD]).ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Accel:
    """How guests run here, and how we know."""

    kind: Literal["kvm", "tcg"]
    reason: str


def probe(cache: Path, device: Path = Path("/dev/kvm")) -> Accel:
    """What guests can run on; asked of the machine once per kernel, QEMU and right to open the device."""
    access = os.access(device, os.R_OK | os.W_OK) if device.exists() else None
    key = f"{platform.release()} | {_qemu_version()} | {device} {access} {os.geteuid()}"
    known = read_json(cache, {})
    if known.get("key") == key:
        return Accel(known["kind"], known["reason"])
    accel = _ask(device, access)
    write_json(cache, {"key": key, **asdict(accel)})
    return accel


def _ask(device: Path, access: bool | None) -> Accel:
    if access is None:
        return Accel("tcg", f"{device} doesn't exist (no virtualisation in this CPU or machine, or kvm isn't loaded)")
    prefix: tuple[str, ...] = ()
    if not access:  # the private libvirtd shows guests a device of the user's own, so root's right is enough
        if shutil.which("sudo") is None:
            return Accel("tcg", f"no right to open {device}; to use KVM: adduser $USER kvm, then log in again")
        prefix = ("sudo",)
    emulated, real = boots("tcg"), boots("kvm", prefix)
    if real.status is None:
        return Accel("tcg", f"{device} exists, but a guest of one sector hung on it for {_LIMIT:.0f} s")
    if real.status != _EXIT:
        return Accel("tcg", f"{device} exists, but a guest on it ended with {real.status} instead of {_EXIT}")
    # A KVM that emulates in software runs a boot sector, slowly, and hangs a kernel.
    if real.seconds > max(1.0, 3 * emulated.seconds):
        slow = f"{real.seconds:.1f} s on it, {emulated.seconds:.1f} s without"
        return Accel("tcg", f"{device} exists, but is slower than emulation: a boot sector took {slow}")
    return Accel("kvm", f"a boot sector ran on {device} in {real.seconds:.2f} s")


@dataclass(frozen=True)
class Boot:
    """How a boot of the sector went: QEMU's exit status (33 is right), None when it hung."""

    status: int | None
    seconds: float


def boots(accel: str, prefix: tuple[str, ...] = ()) -> Boot:
    """Boot the sector with this accelerator, for at most 5 s."""
    if prefix:
        subprocess.run([*prefix, "-v"], check=False)  # a password is asked for here, outside the time limit
    began = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".img") as image:
        image.write(BOOT_SECTOR)
        image.flush()
        command = [
            *prefix,
            _QEMU,
            "-accel",
            accel,
            "-M",
            "pc",
            "-m",
            "16",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ]
        command += ["-drive", f"file={image.name},format=raw,if=ide,readonly=off,snapshot=on"]
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"]
        quiet = subprocess.DEVNULL
        try:
            done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return Boot(None, _LIMIT)
        except FileNotFoundError:
            return Boot(-1, 0.0)
        return Boot(done.returncode, time.monotonic() - began)


def _qemu_version() -> str:
    try:
        return subprocess.run([_QEMU, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    except FileNotFoundError:
        return "no QEMU"
