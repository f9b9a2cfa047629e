# SPDX-License-Identifier: Apache-2.0
"""Values of a link in the one form every dialect may write: parsed, and spelt again from what was understood."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from services.common.contracts.addresses import ip_address, ip_interface, ip_network
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.network_rules import network_problems
from services.common.contracts.quoting import quoted

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


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


def any_card(model: NetworkModel) -> bool:
    """Whether the guest has one card, whose MAC nobody knows before it is there."""
    return [nic.mac for nic in model.nics] == [""] and not model.bonds


def checked(model: NetworkModel, more: Sequence[Problem] = (), takes_any_card: bool = False) -> None:
    """Raise Invalid with all that is wrong with the links and with the words a dialect would have to write.

    `takes_any_card`: the dialect has words for a card without a MAC.
    """
    unknown = [] if takes_any_card and any_card(model) else _mac_problems(model)
    problems = [*_problems(model), *unknown, *more]
    if problems:
        raise Invalid("the network can't be written as asked", problems)


# A row writes one network in several dialects, and each asks: the answer is the same.
@lru_cache(8)
def _problems(model: NetworkModel) -> tuple[Problem, ...]:
    return (*network_problems(model), *_word_problems(model))


def _mac_problems(model: NetworkModel) -> Iterator[Problem]:
    for index, nic in enumerate(model.nics):
        if not _MAC.fullmatch(mac(nic)):
            unknown = "this system finds its network card by its MAC address, which is missing"
            detail = f"{quoted(nic.mac)} is not a MAC address" if nic.mac else unknown
            yield Problem(f"/networks/{index}/mac", detail, 'write it like "52:54:00:01:02:03"')


def _word_problems(model: NetworkModel) -> Iterator[Problem]:
    for at, _, link in model.links():
        for n, domain in enumerate(link.search):
            if not _DOMAIN.fullmatch(domain):
                yield Problem(f"{at}/search/{n}", f"{quoted(domain)} is not a domain name", "letters, digits, - and .")
