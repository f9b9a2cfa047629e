# SPDX-License-Identifier: Apache-2.0
"""What the operator allows of media. They are fetched from public addresses only, unless others are allowed.

A URL is opened on the very address that was checked, so that a name can't change its mind in between; each redirect
is checked the same way.

INNKEEPER_MEDIA_ALLOW_PRIVATE   "1", or CIDRs apart by commas ("10.0.0.0/8,192.168.7.5/32"); default: none
INNKEEPER_MEDIA_MAX_GIB         the largest medium, default 64
INNKEEPER_MEDIA_PATIENCE_S      how long tries to fetch a medium may bring nothing, default 600
INNKEEPER_MEDIA_STORE_GIB       all media together; those not used for longest make room. Default 0: no limit
INNKEEPER_MASTER_DAYS           a master nobody used for so long is removed, default 30; 0: never
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from services.common.contracts.errors import ImageFailed, TryAgain
from services.imagebuilder.media.pace import Pace

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]
_GIB = 1 << 30
_FIGURES = (  # name, default, least
    ("MEDIA_MAX_GIB", 64, 1),
    ("MEDIA_PATIENCE_S", 600, 0),
    ("MEDIA_STORE_GIB", 0, 0),
    ("MASTER_DAYS", 30, 0),
)


class RulesError(Exception):
    """What is wrong with the operator's settings for media, all of it."""


@dataclass(frozen=True)
class Rules:
    """What the operator allows."""

    allow_all: bool = False
    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    max_bytes: int = 64 * _GIB
    pace: Pace = field(default_factory=Pace)
    store_bytes: int = 0  # 0: no limit
    master_days: int = 30  # 0: for ever

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Rules":
        """Read from INNKEEPER_MEDIA_*; RulesError names every wrong value."""
        problems: list[str] = []
        text = env.get("INNKEEPER_MEDIA_ALLOW_PRIVATE", "").strip()
        networks: list[IPv4Network | IPv6Network] = []
        for word in text.split(",") if text not in ("", "0", "1") else ():
            try:
                networks.append(ip_network(word.strip()))
            except ValueError as error:
                problems.append(f"INNKEEPER_MEDIA_ALLOW_PRIVATE: {error}")
        figures = {name: _figure(env, name, default, least, problems) for name, default, least in _FIGURES}
        if problems:
            raise RulesError("; ".join(problems))
        return cls(
            text == "1",
            tuple(networks),
            figures["MEDIA_MAX_GIB"] * _GIB,
            Pace(patience_s=float(figures["MEDIA_PATIENCE_S"])),
            figures["MEDIA_STORE_GIB"] * _GIB,
            figures["MASTER_DAYS"],
        )

    def allows(self, address: Address) -> bool:
        """Whether this address may be talked to."""
        plain = getattr(address, "ipv4_mapped", None) or address
        if self.allow_all or any(plain in network for network in self.allowed if network.version == plain.version):
            return True
        return plain.is_global and not plain.is_multicast and not _embeds_another(plain)


def _figure(env: Mapping[str, str], name: str, default: int, least: int, problems: list[str]) -> int:
    text = env.get(f"INNKEEPER_{name}", str(default))
    if text.isascii() and text.isdigit() and int(text) >= least:
        return int(text)
    problems.append(f"INNKEEPER_{name}: {text!r} is not a whole number" + (f" from {least} on" if least else ""))
    return default


_NAT64 = IPv6Network("64:ff9b::/96")


def _embeds_another(address: Address) -> bool:
    """Whether a gateway on the way may turn this into some IPv4 address."""
    return isinstance(address, IPv6Address) and bool(address.sixtofour or address.teredo or address in _NAT64)


@dataclass(frozen=True)
class Target:
    """A URL and the checked address it will be opened on."""

    url: str  # with the address in the host's place
    host: str  # for the Host header
    name: str  # for TLS


def system_resolve(host: str, port: int) -> list[str]:
    """Every address of a name, as the machine's resolver says."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise TryAgain(f"{host} can't be resolved: {error.strerror}") from error
    return [str(item[4][0]) for item in found]


def check(url: str, rules: Rules, resolve: Resolve = system_resolve) -> Target:
    """Where to fetch this URL from; ImageFailed when the rules don't allow it."""
    parts, port = _parsed(url)
    host = parts.hostname or ""
    addresses = [ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    refused = [str(a) for a in addresses if not rules.allows(a)]
    # All or nothing: a name with one private address among public ones is refused as well.
    if refused or not addresses:
        raise ImageFailed(
            f"media may not be fetched from {host} ({', '.join(refused) or 'no address'}): not a public address; "
            "the operator can allow it with INNKEEPER_MEDIA_ALLOW_PRIVATE"
        )
    chosen = f"[{addresses[0]}]" if addresses[0].version == 6 else str(addresses[0])
    pinned = parts._replace(netloc=f"{chosen}:{port}", fragment="")
    return Target(pinned.geturl(), parts.netloc, host)


def _parsed(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ImageFailed(f"not a URL: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise ImageFailed(f"media are fetched over http and https, not {parts.scheme or 'a URL without a scheme'}")
    if not parts.hostname:
        raise ImageFailed("the URL names no host")
    if "@" in parts.netloc:
        raise ImageFailed("a URL with a user or a password in it is refused: it would be kept and shown")
    return parts, port
