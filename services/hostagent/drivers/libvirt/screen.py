# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a vm from outside: the tail of its serial console, and its screen."""

from pathlib import Path

import libvirt

from services.hostagent.drivers.libvirt.vendor_errors import code

_TAIL = 8192
_SCREENSHOT_MAX = 4 << 20
_NO_SCREEN = (
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_NO_DOMAIN,
)


def console_tail(path: Path) -> str:
    """The last 8 KiB a guest wrote on its serial console; "" before it wrote anything."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read(_TAIL).decode(errors="replace")
    except FileNotFoundError:
        return ""


def screenshot(conn: libvirt.virConnect, domain: libvirt.virDomain) -> bytes:
    """A PNG of the vm's screen, b"" where it has none or is off."""
    stream = conn.newStream()
    try:
        domain.screenshot(stream, 0)
        parts: list[bytes] = []
        while sum(map(len, parts)) < _SCREENSHOT_MAX and (part := stream.recv(65536)):
            parts.append(part)
        stream.finish()
    except libvirt.libvirtError as error:
        if code(error) in _NO_SCREEN:
            return b""
        raise
    return b"".join(parts)
