# SPDX-License-Identifier: Apache-2.0
"""Cards that come and go in a vm's specification. Pure.

A card's name follows from its place where nobody gave it one; whoever takes a card out gives the others their names
first, so that none is called differently afterwards.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.vm import VmSpec, nic_mac


def with_card(spec: VmSpec, card: Nic) -> VmSpec:
    """The specification with this card too; one with its MAC is left as it is."""
    return spec if spec.network.nic(card.mac) else replace(spec, nics=(*_named(spec.network), card))


def without_card(spec: VmSpec, mac: str) -> VmSpec:
    """The specification without the card of this MAC; it may have none."""
    if spec.network.nic(mac) is None:
        return spec
    return replace(spec, nics=tuple(nic for nic in _named(spec.network) if nic.mac.lower() != mac.lower()))


def stacked_on(model: NetworkModel, card: Nic) -> str:
    """What needs this card: a bond's or a VLAN's name, "" for nothing."""
    bond = model.bond_of(card)
    vlan = next((vlan for vlan in model.vlans if vlan.over.lower() == card.mac.lower()), None)
    return bond.name if bond else vlan.name if vlan else ""


def free_mac(vm_id: str, model: NetworkModel) -> str:
    """The first of the vm's own MACs that no card has: one that was taken out comes back with the MAC it had."""
    return next(mac for n in count() if model.nic(mac := nic_mac(vm_id, n)) is None)


def free_name(model: NetworkModel) -> str:
    """The first of eth0, eth1, ... that no link has, from the place of the next card on."""
    taken = {name for _, name, _ in model.links()}
    return next(name for n in count(len(model.nics)) if (name := f"eth{n}") not in taken)


def _named(model: NetworkModel) -> Iterator[Nic]:
    return (replace(nic, name=model.nic_name(nic)) for nic in model.nics)
