# SPDX-License-Identifier: Apache-2.0
"""Words of a spec that end up in many syntaxes of guests' files: what they may look like, the same at every door.

Each check says what is wrong, "" where nothing is. No word is shown in an answer: a URL may have a password in it.
"""

import re
from ipaddress import AddressValueError, IPv6Address

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:\[\]]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/.*)?"
)
_PATH = re.compile(r"[A-Za-z0-9._~%/+-]*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
URL_MOST = 1024
HOST_MOST = 253
LOCALE = re.compile(r"(?:C|POSIX|[a-z]{2,3}_[A-Z]{2})\.UTF-8(?:@[a-z]{1,16})?|C|POSIX")
KEYBOARD = re.compile(r"[a-z]{2,8}(?:[-_][a-z0-9]{1,16}){0,2}")
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~-]{0,127}")
REPOSITORY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
SUITE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,62}[A-Za-z0-9/])?")
COMPONENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,30}[A-Za-z0-9])?")
KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,118}\.rsa\.pub")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def url_problem(text: str) -> str:
    """Why guests can't be given this URL: only http and https, and never a name and a password."""
    found = _URL.fullmatch(text)
    if len(text) > URL_MOST:
        return f"longer than {URL_MOST} characters"
    if "@" in text:
        return "has a name or a password in it, which every user of the guest could read"
    if found is None or not _is_host(found["host"]):
        return "is not an http or https URL"
    if found["port"] is not None and not 1 <= int(found["port"]) <= 65535:
        return "has no possible port"
    return "" if _PATH.fullmatch(found["path"] or "") else "has more in its path than letters, digits and . _ ~ % / + -"


def server_problem(text: str) -> str:
    """Why this can't be a server's name or address."""
    return "" if _is_host(f"[{text}]" if ":" in text else text) else "is neither a host name nor an IP address"


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return len(text) <= HOST_MOST and _HOST.fullmatch(text) is not None and not _looks_like_broken_address(text)
    try:
        IPv6Address(text[1:-1])
    except AddressValueError:
        return False
    return "%" not in text


def _looks_like_broken_address(text: str) -> bool:
    """Digits and dots alone are an IPv4 address or a mistake, never a name."""
    parts = text.split(".")
    if not all(part.isdigit() for part in parts):
        return False
    return len(parts) != 4 or any(int(part) > 255 for part in parts)
