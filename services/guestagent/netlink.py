# SPDX-License-Identifier: Apache-2.0
"""Links, addresses and routes as the kernel tells them over rtnetlink: no program of the guest is needed or run."""

# ruff: noqa: UP006, UP035  (Python 3.6 runs this)
import socket
import struct
from typing import Any, Dict, Iterator, List, Tuple

GETLINK, GETADDR, GETROUTE = 18, 22, 26
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK, _ADDR, _ROUTE = struct.Struct("=BBHiII"), struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI")
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # links, v4 and v6 addresses, v4 and v6 routes
_IFNAME, _MTU, _MAC = 3, 4, 1
_ADDRESS, _LOCAL = 1, 2
_DST, _OIF, _GATEWAY, _PRIORITY, _TABLE = 1, 4, 5, 6, 15
_MAIN_TABLE, _UNICAST = 254, 1
_UP, _LOOPBACK = 0x1, 0x8
_SCOPE_LINK, _SCOPE_HOST = 253, 254


def watch() -> socket.socket:
    """A socket that becomes readable whenever a link, an address or a route changes."""
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    listener.bind((0, _GROUPS))
    listener.setblocking(False)
    return listener


def interfaces() -> List[Dict[str, Any]]:
    """Every link but loopback, with its addresses as CIDRs; IPv6 link-local ones, which every link has, left out."""
    found: Dict[int, Dict[str, Any]] = {}
    for body in _dump(GETLINK, _LINK.pack(0, 0, 0, 0, 0, 0)):
        index, flags = _LINK.unpack_from(body)[3:5]
        attributes = _attributes(body[_LINK.size :])
        if flags & _LOOPBACK or _IFNAME not in attributes:
            continue
        found[index] = {
            "name": attributes[_IFNAME].rstrip(b"\0").decode("utf-8", "replace"),
            "mac": ":".join(f"{byte:02x}" for byte in attributes.get(_MAC, b"")),
            "mtu": _u32(attributes.get(_MTU)),
            "up": bool(flags & _UP),
            "addresses": [],
        }
    for index, address in _addresses():
        if index in found:
            found[index]["addresses"].append(address)
    return [found[index] for index in sorted(found)]


def routes() -> List[Dict[str, Any]]:
    """The main table's routes by way of a router, both families."""
    names = _names()
    found = []
    for body in _dump(GETROUTE, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
        family, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
        attributes = _attributes(body[_ROUTE.size :])
        table = _u32(attributes[_TABLE]) if _TABLE in attributes else table
        if table != _MAIN_TABLE or kind != _UNICAST or _GATEWAY not in attributes:
            continue
        anywhere = "0.0.0.0" if family == socket.AF_INET else "::"
        to = socket.inet_ntop(family, attributes[_DST]) if _DST in attributes else anywhere
        route: Dict[str, Any] = {
            "to": f"{to}/{length}",
            "via": socket.inet_ntop(family, attributes[_GATEWAY]),
            "dev": names.get(_u32(attributes.get(_OIF)), ""),
        }
        if _PRIORITY in attributes:
            route["metric"] = _u32(attributes[_PRIORITY])
        found.append(route)
    return found


def _names() -> Dict[int, str]:
    return dict(socket.if_nameindex())


def _addresses() -> Iterator[Tuple[int, str]]:
    for body in _dump(GETADDR, _ADDR.pack(0, 0, 0, 0, 0)):
        family, length, _, scope, index = _ADDR.unpack_from(body)
        attributes = _attributes(body[_ADDR.size :])
        raw = attributes.get(_LOCAL) or attributes.get(_ADDRESS)
        of_every_link = family == socket.AF_INET6 and scope == _SCOPE_LINK
        if raw is None or family not in (socket.AF_INET, socket.AF_INET6) or of_every_link or scope == _SCOPE_HOST:
            continue
        yield index, f"{socket.inet_ntop(family, raw)}/{length}"


def _dump(kind: int, body: bytes) -> Iterator[bytes]:
    """The bodies of all messages the kernel answers with; OSError when it refuses."""
    asker = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    try:
        asker.settimeout(5)
        asker.bind((0, 0))
        asker.send(_HEADER.pack(_HEADER.size + len(body), kind, _DUMP, 1, 0) + body)
        while True:
            data = asker.recv(1 << 18)
            while len(data) >= _HEADER.size:
                length, answer = _HEADER.unpack_from(data)[:2]
                if answer == _DONE:
                    return
                if answer == _ERROR:
                    raise OSError("rtnetlink refused to list")
                yield data[_HEADER.size : length]
                data = data[_aligned(length) :]
    finally:
        asker.close()


def _attributes(data: bytes) -> Dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _u32(raw: Any) -> int:
    return int(struct.unpack("=I", raw)[0]) if raw else 0
