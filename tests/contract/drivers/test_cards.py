# SPDX-License-Identifier: Apache-2.0
"""Cards at a hypervisor: known by their MAC, plugged in and out twice as once, and the seed that tells of them."""

import pytest

from services.common.contracts.commands import DiskPlan, NicPlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.ids import new_id
from services.common.contracts.vm import nic_mac
from services.hostagent.drivers.base import Capability, Owner, Power
from services.hostagent.drivers.libvirt import plugging
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import GUARDED, needs
from tests.contract.drivers.test_driver_contract import deployed
from tests.support.hypervisor import PLATFORM, a_vm, artifact, as_file, network, plan, seed_iso
from tests.support.missing import missing


@needs(Capability.NIC_ATTACH)
def test_cards_are_plugged_in_and_out_of_a_vm_that_is_off_each_twice(bench: Bench) -> None:
    vm = deployed(bench)
    cards = [NicPlan(nic_mac(vm, n), network()) for n in (1, 2)]
    for card in (*cards, *cards):
        bench.driver.attach_nic(vm, card)
    for card in (*cards, *cards):
        bench.driver.detach_nic(vm, card.mac.upper())
    bench.driver.start(vm)


@needs(Capability.NIC_HOT)
def test_several_cards_are_plugged_into_a_vm_that_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    cards = [NicPlan(nic_mac(vm, n), network()) for n in (1, 2, 3, 4)]
    for card in (*cards, *cards):
        bench.driver.attach_nic(vm, card)
    if bench.driver.name == "libvirt":
        # There is no system in it that could give a card back: that is told, and nothing is half-done.
        monkeypatch.setattr(plugging, "LETS_GO_S", 0.5)
        with pytest.raises(HostFailed, match="does not give card"):
            bench.driver.detach_nic(vm, cards[0].mac)
        bench.driver.force_stop(vm)
    for card in cards:
        bench.driver.detach_nic(vm, card.mac)


@needs(Capability.NIC_ATTACH)
def test_no_card_is_plugged_into_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(HostFailed, match="not on this host"):
        bench.driver.attach_nic(new_id(), NicPlan("52:54:00:00:00:01", network()))
    bench.driver.detach_nic(new_id(), "52:54:00:00:00:01")


@needs(Capability.ANTI_SPOOF)
def test_a_guest_may_be_held_to_its_own_addresses(bench: Bench) -> None:
    if Capability.ANTI_SPOOF not in bench.driver.facts().capabilities:
        missing("libvirt's filter clean-traffic; install: apt-get install libvirt-daemon-config-nwfilter")
    vm = a_vm()
    bench.driver.ensure_network(GUARDED)
    cards = [NicPlan(nic_mac(vm, 0), GUARDED, addresses=("10.79.0.9",)), NicPlan(nic_mac(vm, 1), GUARDED, stacked=True)]
    bench.driver.deploy(plan(vm, nics=tuple(cards)), Owner(PLATFORM, vm, 1), {})
    bench.driver.start(vm)
    bench.driver.attach_nic(vm, NicPlan(nic_mac(vm, 2), GUARDED))
    assert bench.driver.power(vm) == Power.ON


@pytest.mark.parametrize("running", [False, True])
@needs(Capability.NIC_ATTACH)
def test_another_seed_takes_the_place_of_the_first(bench: Bench, running: bool) -> None:
    vm = a_vm()
    first, second = seed_iso(), seed_iso({"version": 2, "ethernets": {}})
    disks = (DiskPlan("root", size_gib=1), DiskPlan("seed", base=artifact(first), device="cdrom"))
    bench.driver.ensure_network(network())
    files = {artifact(first).sha256: as_file(bench.directory, first)}
    bench.driver.deploy(plan(vm, disks=disks), Owner(PLATFORM, vm, 1), files)
    if running:
        bench.driver.start(vm)
    for _ in range(2):
        bench.driver.change_seed(vm, as_file(bench.directory, second))
    bench.driver.force_stop(vm)
    bench.driver.start(vm)
