# SPDX-License-Identifier: Apache-2.0
"""Cards of the fake host's vms: changes of its state. Pure. A fake guest does at once what its seed says."""

from dataclasses import replace
from typing import Any

from services.common.contracts.commands import NicPlan
from services.hostagent.drivers.fake.seed import FakeLink, links
from services.hostagent.drivers.fake.state import FakeState, FakeVm


def plugged(state: FakeState, vm: str, nic: NicPlan) -> FakeState:
    """The vm has the card, on which nothing is configured yet."""
    found = state.vms[vm]
    if any(link.mac == nic.mac.lower() for link in found.links):
        return state
    link = FakeLink(f"eth{len(found.links)}", nic.mac.lower())
    return _with(state, replace(found, nics=(*found.nics, nic), links=(*found.links, link)))


def unplugged(state: FakeState, vm: str, mac: str) -> FakeState:
    """The vm doesn't have the card."""
    found = state.vms.get(vm)
    if found is None:
        return state
    nics = tuple(nic for nic in found.nics if nic.mac.lower() != mac.lower())
    return _with(state, replace(found, nics=nics, links=tuple(n for n in found.links if n.mac != mac.lower())))


def told(state: FakeState, vm: str, network: dict[str, Any] | None) -> FakeState:
    """The vm's guest has another seed."""
    found = state.vms[vm]
    return _with(state, replace(found, links=links(found.nics, network)))


def _with(state: FakeState, vm: FakeVm) -> FakeState:
    return replace(state, vms={**state.vms, vm.id: vm})
