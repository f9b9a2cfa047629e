# SPDX-License-Identifier: Apache-2.0
"""The links of a clone: as many as its source has, with MACs and addresses of their own; or others. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from services.api.intents.assigning import assigned
from services.api.intents.links import links
from services.api.intents.resolve import World
from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.vm import nic_mac

JsonDict = dict[str, Any]
_FIX = "give networks: the cards of the clone, with an address in each"


def given_links(vm_id: str, asked: JsonDict, _before: NetworkModel, world: World) -> tuple[NetworkModel, list[Problem]]:
    """Those that were asked for."""
    wanted, unassigned = assigned(vm_id, {**asked, "bonds": [], "vlans": []}, world.nets, world.pools)
    model, wrong = links(vm_id, wanted, world.nets)
    return model, [*unassigned, *wrong]


def inherited_links(
    vm_id: str, asked: JsonDict, before: NetworkModel, world: World
) -> tuple[NetworkModel, list[Problem]]:
    """The source's; where that one has an address of its own, the clone gets another one of the network's ranges."""
    macs = {nic.mac.lower(): nic_mac(vm_id, n) for n, nic in enumerate(before.nics)}
    wanted = {"name": asked["name"], "networks": [_plug(nic, macs[nic.mac.lower()]) for nic in before.nics]}
    filled, unassigned = assigned(vm_id, wanted, world.nets, world.pools)
    given = [tuple(link["addresses"]) for link in filled["networks"]]
    model = NetworkModel(
        tuple(
            replace(nic, mac=link["mac"], addresses=addresses)
            for nic, link, addresses in zip(before.nics, filled["networks"], given, strict=True)
        ),
        tuple(replace(bond, members=tuple(macs[mac.lower()] for mac in bond.members)) for bond in before.bonds),
        tuple(replace(vlan, over=macs.get(vlan.over.lower(), vlan.over)) for vlan in before.vlans),
    )
    return model, [*(replace(p, pointer="/networks", fix=_FIX) for p in unassigned), *_lacking(before, model, world)]


def _plug(nic: Nic, mac: str) -> JsonDict:
    method = "static" if nic.addresses else "dhcp" if nic.dhcp4 else "none"
    return {"network": nic.network, "mac": mac, "addresses": [], "method": method}


def _lacking(before: NetworkModel, model: NetworkModel, world: World) -> Iterator[Problem]:
    """What the source has and nobody can give a second time."""
    for (_, name, old), (_, _, new) in zip(before.links(), model.links(), strict=True):
        if isinstance(new, Nic) and new.network not in world.nets:
            yield Problem("/networks", f"the network of {name} is not there any more", _FIX)
        elif isinstance(new, Nic) and len(old.addresses) <= 1:
            if len(new.addresses) < len(old.addresses) and not world.pools.pools.get(new.network):
                net = world.nets[new.network]
                yield Problem("/networks", f"{name} has a static address, and network {net.name!r} gives none", _FIX)
        elif old.addresses:
            yield Problem("/networks", f"{name} has addresses that no network can give a second time", _FIX)
