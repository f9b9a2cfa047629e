# SPDX-License-Identifier: Apache-2.0
"""IP addresses, parsed once: rules and dialects ask about the same few texts again and again while one vm is written.

As `ipaddress` has them, ValueError included. What they return can't be changed, so it may be shared.
"""

import ipaddress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

_KEPT = 2048
# Behind the % of an IPv6 address there may be any text, of any length: such a one is not kept.
_LONGEST = 64


def ip_address(text: str) -> IPv4Address | IPv6Address:
    """An address."""
    return _address(text) if len(text) <= _LONGEST else ipaddress.ip_address(text)


def ip_interface(text: str) -> IPv4Interface | IPv6Interface:
    """An address with the prefix length of its network, a host's own where none is given."""
    return _interface(text) if len(text) <= _LONGEST else ipaddress.ip_interface(text)


def ip_network(text: str) -> IPv4Network | IPv6Network:
    """A network; ValueError when bits of a host are set."""
    return _network(text) if len(text) <= _LONGEST else ipaddress.ip_network(text)


@lru_cache(_KEPT)
def _address(text: str) -> IPv4Address | IPv6Address:
    return ipaddress.ip_address(text)


@lru_cache(_KEPT)
def _interface(text: str) -> IPv4Interface | IPv6Interface:
    return ipaddress.ip_interface(text)


@lru_cache(_KEPT)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ipaddress.ip_network(text)
