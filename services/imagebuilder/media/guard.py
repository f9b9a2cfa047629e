# SPDX-License-Identifier: Apache-2.0
"""Where media may be fetched from: public addresses only, unless the operator allows others.

A URL is opened on the very address that was checked, so that a name can't change its mind in between; each redirect
is checked the same way.

INNKEEPER_MEDIA_ALLOW_PRIVATE   "1", or CIDRs apart by commas ("10.0.0.0/8,192.168.7.5/32"); default: none
INNKEEPER_MEDIA_MAX_GIB         the largest medium, default 64
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from services.common.contracts.errors import ImageFailed, TryAgain

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]
_GIB = 1 << 30


class RulesError(Exception):
    """What is wrong with the operator's settings for media, all of it."""


@dataclass(frozen=True)
class Rules:
    """What the operator allows."""

    allow_all: bool = False
    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    max_bytes: int = 64 * _GIB

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
        size = env.get("INNKEEPER_MEDIA_MAX_GIB", "64")
        if not size.isdigit() or int(size) == 0:
            problems.append(f"INNKEEPER_MEDIA_MAX_GIB: {size!r} is not a whole number above 0")
        if problems:
            raise RulesError("; ".join(problems))
        return cls(text == "1", tuple(networks), int(size) * _GIB)

    def allows(self, address: Address) -> bool:
        """Whether this address may be talked to."""
        plain = getattr(address, "ipv4_mapped", None) or address
        if self.allow_all or any(plain in network for network in self.allowed if network.version == plain.version):
            return True
        return plain.is_global and not plain.is_multicast and not _embeds_another(plain)


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
