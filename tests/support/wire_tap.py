# SPDX-License-Identifier: Apache-2.0
"""Says what passes at network interfaces, a line a frame: interface, in or out, sender's MAC, kind, sender's address.

Runs as root by path, in the network it shall listen to; standard library only. Its first line is "ready", and it ends
when its standard input does.
"""

import select
import socket
import struct
import sys

_ALL = 0x0003  # ETH_P_ALL
_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1  # SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC
_KINDS = {0x0800: "ip", 0x0806: "arp", 0x86DD: "ip6"}


def sender(kind: str, payload: bytes) -> str:
    """Whose address the frame claims to come from."""
    if kind == "ip":
        return socket.inet_ntoa(payload[12:16])
    if kind == "arp":
        return socket.inet_ntoa(payload[14:18])
    return ""


def said(frame: bytes) -> str:
    """The frame in words."""
    number = int.from_bytes(frame[12:14], "big")
    kind = _KINDS.get(number, f"{number:#06x}")
    return " ".join([frame[6:12].hex(":"), kind, sender(kind, frame[14:]) or "-"])


def main(names: list[str]) -> None:
    """Listen."""
    taps: dict[socket.socket, str] = {}
    for name in names:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        tap.bind((name, _ALL))
        # What a bridge would only hand on to others, it says to itself, too.
        every = struct.pack("iHH8x", socket.if_nametoindex(name), _PROMISCUOUS, 0)
        tap.setsockopt(_PACKET, _ADD_MEMBERSHIP, every)
        taps[tap] = name
    print("ready", flush=True)
    while True:
        heard = select.select([*taps, sys.stdin.fileno()], [], [])[0]
        if sys.stdin.fileno() in heard:
            return
        for tap in taps.keys() & set(heard):
            frame, (_, _, way, *_) = tap.recvfrom(2048)
            print(taps[tap], "out" if way == socket.PACKET_OUTGOING else "in", said(frame), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
