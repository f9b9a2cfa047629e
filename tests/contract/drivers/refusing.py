# SPDX-License-Identifier: Apache-2.0
"""Tests that ask for an ability: a driver that doesn't declare it is held to its refusal instead."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from services.common.contracts.commands import ClonePlan, NicPlan, SnapshotPlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.network import NetworkPlan
from services.common.contracts.vm import nic_mac
from services.hostagent.drivers.base import Capability, Driver
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.stories import STORIES, Life
from tests.support.hypervisor import network

Act = Callable[[Life], object]
GUARDED: NetworkPlan = network(
    "guarded", anti_spoof=True, cidr="10.79.0.0/24", gateway="10.79.0.1", dhcp_start="", dhcp_end=""
)
# What is asked of a vm, which is there and off, to see an ability refused: the verbs, and what is part of one.
ASKED: Mapping[str, tuple[Act, ...]] = {
    **{
        capability: tuple(story.act for story in STORIES.values() if story.capability == capability)
        for capability in {story.capability for story in STORIES.values() if story.capability}
    },
    Capability.SNAPSHOT_MEMORY: (lambda v: v.driver.take_snapshot(v.vm, SnapshotPlan(v.snapshot, memory=True)),),
    Capability.CLONE_LINKED: (
        lambda v: v.driver.clone_disk(v.vm, ClonePlan(v.source, 1, linked=True), lambda _percent: None),
    ),
    Capability.ANTI_SPOOF: (
        lambda v: v.driver.ensure_network(GUARDED),
        lambda v: v.driver.attach_nic(v.vm, NicPlan(nic_mac(v.vm, 1), GUARDED)),
    ),
}


def declared(driver: Driver) -> frozenset[str]:
    """What it says that it, or some host of its kind, can do."""
    return driver.capabilities | driver.by_host


def refused(driver: Driver, act: Act) -> None:
    """Asked of a vm that is there, it is refused by the driver's name and what it can't, and nothing changes."""
    life = Life(driver)
    driver.ensure_network(life.network)
    life.deploy()
    before = sorted(map(repr, driver.survey())), driver.power(life.vm)
    with pytest.raises(HostFailed) as told:
        act(life)
    assert told.value.detail == f"the driver {driver.name} can't {told.value.extra['unsupported']}"
    assert (sorted(map(repr, driver.survey())), driver.power(life.vm)) == before
    driver.erase(life.vm)


def needs(capability: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test is for drivers that declare it; the others must refuse all that asks for it."""

    def held_to(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def either(bench: Bench, **given: Any) -> None:
            if capability in declared(bench.driver):
                test(bench=bench, **given)
                return
            for act in ASKED[capability]:
                refused(bench.driver, act)

        return either

    return held_to
