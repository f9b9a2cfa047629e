# SPDX-License-Identifier: Apache-2.0
"""A vm's links in words, one line each: cards, bonds, VLANs. Pure."""

from collections.abc import Iterator

from innkeeper.models.vm import Link, Vm


def link_lines(vm: Vm, macs: bool = True) -> Iterator[tuple[str, str]]:
    """(what, how) of each link, as asked for; without `macs` where they are not the ones it will have."""
    for n, nic in enumerate(vm.nics):
        bond = f"in {nic.bond}" if nic.bond else ""
        yield f"nic {n}", _joined(nic.network, nic.mac if macs else "", bond or nic.method, *_addressing(nic))
    for link in vm.bonds:
        yield f"bond {link.name}", _joined(link.mode, link.method, *_addressing(link))
    for vlan in vm.vlans:
        yield f"vlan {vlan.name}", _joined(f"{vlan.id} on {vlan.over}", vlan.method, *_addressing(vlan))


def _addressing(link: Link) -> Iterator[str]:
    yield from link.addresses
    if link.method6 not in ("", "none"):
        yield f"IPv6 by {link.method6}"
    if link.gateway:
        yield f"gateway {link.gateway}"
    if link.dns:
        yield f"dns {' '.join(link.dns)}"


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)
