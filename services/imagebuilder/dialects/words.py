# SPDX-License-Identifier: Apache-2.0
"""Values of a link in the one form every dialect may write: parsed, and spelt again from what was understood."""

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import Nic, network_problems

# The kernel's limit is 15 bytes; no dialect takes more than these characters.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def link_name(nic: Nic, index: int) -> str:
    """What the link is called in the guest."""
    return nic.name or f"eth{index}"


def mac(nic: Nic) -> str:
    """The MAC in lower case."""
    return nic.mac.lower()


def address(text: str) -> str:
    """An IP address in its shortest spelling."""
    return str(ip_address(text))


def interface(text: str) -> str:
    """An address with its prefix length."""
    return str(ip_interface(text))


def network(text: str) -> str:
    """A network as CIDR."""
    return str(ip_network(text))


def checked(nics: Sequence[Nic], more: Sequence[Problem] = ()) -> None:
    """Raise Invalid with all that is wrong with the links and with the words a dialect would have to write."""
    problems = [*network_problems(nics), *_word_problems(nics), *more]
    if problems:
        raise Invalid("the network can't be written as asked", problems)


def _word_problems(nics: Sequence[Nic]) -> list[Problem]:
    problems = []
    names: set[str] = set()
    for index, nic in enumerate(nics):
        at, name = f"/networks/{index}", link_name(nic, index)
        if not _MAC.fullmatch(mac(nic)):
            problems.append(
                Problem(f"{at}/mac", f"{nic.mac!r} is not a MAC address", 'write it like "52:54:00:01:02:03"')
            )
        if not _NAME.fullmatch(name):
            problems.append(
                Problem(f"{at}/name", f"{name!r} can't be a link's name", "a letter, then up to 14 of a-z 0-9 _ . -")
            )
        if name in names:
            problems.append(
                Problem(f"{at}/name", f"{name!r} is used by another link too", "give each link its own name")
            )
        names.add(name)
        for n, domain in enumerate(nic.search):
            if not _DOMAIN.fullmatch(domain):
                problems.append(
                    Problem(f"{at}/search/{n}", f"{domain!r} is not a domain name", "letters, digits, - and .")
                )
    return problems
