# SPDX-License-Identifier: Apache-2.0
"""Wake-on-LAN: six times 0xff, then sixteen times the card's address, by UDP to the host's network."""

import re
import socket
from collections.abc import Mapping
from typing import Any

from services.common.contracts.errors import HostFailed, TryAgain

BROADCAST, DISCARD_PORT = "255.255.255.255", 9
_MAC = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


def magic_packet(mac: str) -> bytes:
    """What a sleeping card listens for; HostFailed for what is no MAC."""
    if not _MAC.fullmatch(mac):
        raise HostFailed(f"{mac!r} is no MAC address: the host can't be woken by it")
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16


def send_magic_packet(how: Mapping[str, Any]) -> None:
    """Send it as the host's facts say (mac, address, port); TryAgain where the network refuses."""
    packet = magic_packet(str(how.get("mac", "")))
    target = (str(how.get("address") or BROADCAST), int(how.get("port") or DISCARD_PORT))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            out.sendto(packet, target)
    except OSError as error:
        raise TryAgain(f"the magic packet can't be sent: {error}") from error
