# SPDX-License-Identifier: Apache-2.0
"""The mini guest's network: one line an action, words apart by one blank, read by `while read` in its init.

    hostname NAME
    link NAME MAC               the link with this MAC is called NAME
    mtu NAME BYTES
    ra NAME 0|1                 whether router advertisements are believed
    up NAME
    address NAME CIDR
    route NAME CIDR VIA METRIC  METRIC 0: the kernel's own
    dhcp NAME 0|1               1: the server's default route is taken
    dns ADDRESS
    search DOMAIN

Every word is spelt again from a parsed value (words.py), so no value can add a word or a line.
"""

from collections.abc import Iterator

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import NetworkModel, Nic
from services.imagebuilder.dialects import words
from services.imagebuilder.identity import hostname_problems


def render(model: NetworkModel, hostname: str) -> bytes:
    """The file innkeeper/mini.net."""
    words.checked(model, list(_inexpressible(model)))
    if problems := hostname_problems(hostname):
        raise Invalid("the hostname can't be written", problems)
    lines = [f"hostname {hostname}"]
    for nic in model.nics:
        lines += _link(nic, model.nic_name(nic))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    for index, nic in enumerate(model.nics):
        if nic.dhcp6:
            detail = "the mini guest has no DHCPv6 client"
            yield Problem(f"/networks/{index}/dhcp6", detail, "use accept_ra or a static address")
    for what in ("bonds", "vlans"):
        if getattr(model, what):
            yield Problem(f"/{what}", f"the mini guest has no {what}", "leave them out, or choose another os")


def _link(nic: Nic, name: str) -> Iterator[str]:
    yield f"link {name} {words.mac(nic)}"
    if nic.mtu:
        yield f"mtu {name} {int(nic.mtu)}"
    if not nic.configured:
        return
    yield f"ra {name} {int(nic.accept_ra)}"
    yield f"up {name}"
    for text in nic.addresses:
        yield f"address {name} {words.interface(text)}"
    for to, via in (("0.0.0.0/0", nic.gateway4), ("::/0", nic.gateway6)):
        if via:
            yield f"route {name} {to} {words.address(via)} 0"
    for route in nic.routes:
        yield f"route {name} {words.network(route.to)} {words.address(route.via)} {int(route.metric or 0)}"
    for server in nic.dns:
        yield f"dns {words.address(server)}"
    for domain in nic.search:
        yield f"search {domain}"
    if nic.dhcp4:
        yield f"dhcp {name} {int(nic.default_route)}"
