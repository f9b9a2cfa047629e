# SPDX-License-Identifier: Apache-2.0
"""Port groups, standard and distributed, found by name. They are the administrator's: none is made or changed."""

import threading
from typing import Any

from pyVmomi import vim

from services.common.contracts.errors import HostFailed
from services.common.contracts.network import NetworkPlan
from services.hostagent.drivers.base import unsupported
from services.hostagent.drivers.vsphere.collector import Found, of, retrieve
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat

_PORTGROUP = ("name", "key", "config.distributedVirtualSwitch", "config.uplink")


class Networks:
    """What a NIC is plugged into, remembered by name until something was refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}

    def backing(self, seat: Seat, place: Place, plan: NetworkPlan) -> Any:
        """The plug's other end.

        HostFailed, naming the port groups there are, when none has the network's name; and for a network that no port
        group of itself is.
        """
        name = port_group(plan)
        if plan.needs:  # a guest that isn't held to its addresses must not look as if it were
            raise unsupported("vsphere", f"have networks with {' and '.join(plan.needs)}")
        with self._lock:
            if name not in self._known:
                self._known = _backings(seat, place)
            if name not in self._known:
                there = ", ".join(sorted(map(repr, self._known))) or "none"
                raise HostFailed(f"network {plan.name!r}: there is no port group {name!r}; there are {there}")
            return self._known[name]

    def forget(self) -> None:
        """Look again: one of them may have gone, or another network may have come."""
        with self._lock:
            self._known = {}


def port_group(plan: NetworkPlan) -> str:
    """The port group's name: what a bridged network names as its bridge, else the network's own name."""
    return plan.bridge or plan.name


def _backings(seat: Seat, place: Place) -> dict[str, Any]:
    found = retrieve(seat, of([place.compute], vim.ComputeResource, ("network",)))
    refs = list(found[0].get("network", ())) if found else []
    plain = [ref for ref in refs if not isinstance(ref, vim.dvs.DistributedVirtualPortgroup)]
    spread = [ref for ref in refs if isinstance(ref, vim.dvs.DistributedVirtualPortgroup)]
    standard = retrieve(seat, of(plain, vim.Network, ("name",))) if plain else []
    known = {network.get("name"): _standard(network) for network in standard}
    return known | (_distributed(seat, spread) if spread else {})


def _standard(network: Found) -> Any:
    backing = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo
    return backing(deviceName=network.get("name"), network=network.ref)


def _distributed(seat: Seat, refs: list[Any]) -> dict[str, Any]:
    groups = retrieve(seat, of(refs, vim.dvs.DistributedVirtualPortgroup, _PORTGROUP))
    groups = [group for group in groups if not group.get("config.uplink")]
    switches = {str(ref): ref for group in groups if (ref := group.get("config.distributedVirtualSwitch"))}
    found = retrieve(seat, of(list(switches.values()), vim.DistributedVirtualSwitch, ("uuid",))) if switches else []
    uuids = {str(switch.ref): switch.get("uuid") for switch in found}
    backing = vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo
    return {
        group.get("name"): backing(
            port=vim.dvs.PortConnection(
                portgroupKey=group.get("key"), switchUuid=uuids.get(str(group.get("config.distributedVirtualSwitch")))
            )
        )
        for group in groups
    }
