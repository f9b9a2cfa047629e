# SPDX-License-Identifier: Apache-2.0
"""What a guest says, read as hostile input. Pure: bytes in, small checked values out, never an exception of its own.

The same whether it comes by a port or over HTTPS. A line that is too long, no JSON object of a known type, or out of
any bound is dropped as a whole; keys that the protocol doesn't know are left out.
"""

import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from services.common.contracts.guest import MAX_INTERFACES, MAX_LINE, MAX_LOG

_TEXT_MAX = 255
_MAC_LENGTHS = (17, 59)  # Ethernet; InfiniBand
_ADDRESSES_MAX, _ROUTES_MAX, _DNS_MAX, _DISKS_MAX = 64, 256, 16, 64
_NUMBER_MAX = 1 << 53

Check = Callable[[Any], Any]


class Unfit(ValueError):
    """The line is none of the guest protocol; the text says why, without quoting the guest."""


def read_message(line: bytes) -> dict[str, Any]:
    """The checked message of a line; Unfit for anything else."""
    if len(line) > MAX_LINE:
        raise Unfit("longer than a line may be")
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unfit("not JSON") from error
    if not isinstance(value, dict):
        raise Unfit("not an object")
    kind = value.get("type")
    schema = _SCHEMAS.get(kind) if isinstance(kind, str) else None
    if schema is None:
        raise Unfit("of no known type")
    return {"type": kind, **_object(value, schema)}


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _object(value: Any, schema: "Mapping[str, tuple[Check, bool]]") -> dict[str, Any]:
    """The known keys of an object, each checked; a missing one is an error unless it is optional."""
    if not isinstance(value, dict):
        raise Unfit("not an object where one belongs")
    found = {}
    for key, (check, required) in schema.items():
        if key in value:
            try:
                found[key] = check(value[key])
            except (ValueError, OverflowError) as error:
                raise Unfit(f"{key}: {error if isinstance(error, Unfit) else 'not acceptable'}") from error
        elif required:
            raise Unfit(f"{key} is missing")
    return found


def _text(value: Any) -> str:
    return _clean(value, _TEXT_MAX)


def _log_tail(value: Any) -> str:
    return _clean(value, MAX_LOG, keep="\n\t", tail=True)


def _clean(value: Any, limit: int, keep: str = "", tail: bool = False) -> str:
    """Printable text of at most `limit` bytes as UTF-8: no control characters, no lone surrogates."""
    if not isinstance(value, str):
        raise Unfit("not a text")
    if not tail and len(value) > limit:
        raise Unfit("too long")
    seen = value[-limit:] if tail else value
    printable = "".join(c if c.isprintable() or c in keep else "�" for c in seen)
    encoded = printable.encode("utf-8", "replace")
    if len(encoded) > limit:
        if not tail:
            raise Unfit("too long")
        encoded = encoded[-limit:]
    return encoded.decode("utf-8", "ignore")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _NUMBER_MAX:
        raise Unfit("not a number that can be")
    return value


def _whole(value: Any) -> int:
    return int(_number(value))


def _percent(value: Any) -> float:
    if _number(value) > 100:
        raise Unfit("more than 100")
    return _number(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("not true or false")
    return value


def _mac(value: Any) -> str:
    text = _text(value).lower()
    if text and (len(text) not in _MAC_LENGTHS or not set(text) <= set("0123456789abcdef:")):
        raise Unfit("not a MAC")
    return text


def _interface_address(value: Any) -> str:
    return str(ip_interface(_unscoped(value)))


def _address(value: Any) -> str:
    return str(ip_address(_unscoped(value)))


def _via(value: Any) -> str:
    return _address(value) if _text(value) else ""


def _target(value: Any) -> str:
    text = _text(value)
    return "0.0.0.0/0" if text == "default" else str(ip_network(text, strict=False))


def _unscoped(value: Any) -> str:
    text = _text(value)
    if "%" in text:
        raise Unfit("with a zone")
    return text


def _list(check: Check, limit: int) -> Check:
    def checked(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Unfit("not a list")
        if len(value) > limit:
            raise Unfit("too many")
        return [check(item) for item in value]

    return checked


def _each(schema: "Mapping[str, tuple[Check, bool]]") -> Check:
    return lambda value: _object(value, schema)


_INTERFACE = {
    "name": (_text, True),
    "mac": (_mac, True),
    "mtu": (_whole, True),
    "up": (_flag, True),
    "addresses": (_list(_interface_address, _ADDRESSES_MAX), True),
}
_ROUTE = {"to": (_target, True), "via": (_via, True), "dev": (_text, True), "metric": (_whole, False)}
_DISK = {"mount": (_text, True), "total_mib": (_whole, True), "free_mib": (_whole, True)}

_SCHEMAS: Mapping[str, Mapping[str, tuple[Check, bool]]] = {
    "hello": {"agent": (_text, True), "boot_id": (_text, True), "hostname": (_text, True), "os": (_text, True)},
    "phase": {"name": (_text, True), "percent": (_percent, False)},
    "report": {
        "boot_id": (_text, True),
        "hostname": (_text, True),
        "interfaces": (_list(_each(_INTERFACE), MAX_INTERFACES), True),
        "routes": (_list(_each(_ROUTE), _ROUTES_MAX), True),
        "dns": (_list(_address, _DNS_MAX), True),
    },
    "load": {
        "load1": (_number, True),
        "memory_total_mib": (_whole, True),
        "memory_free_mib": (_whole, True),
        "disks": (_list(_each(_DISK), _DISKS_MAX), True),
    },
    "heartbeat": {"uptime_s": (_number, True)},
    "failed": {"phase": (_text, True), "log": (_log_tail, True)},
}
