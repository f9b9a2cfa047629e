# SPDX-License-Identifier: Apache-2.0
"""What every driver promises: each verb twice, half-done work resumed, what isn't ours untouched."""

from pathlib import Path

import pytest

from services.common.contracts.commands import DiskPlan, NicPlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.evidence import seen, told
from services.hostagent.drivers.base import Capability, Owner, Power
from tests.contract.drivers.conftest import Bench
from tests.support.hypervisor import PLATFORM, a_vm, artifact, as_file, network, plan, seed_iso
from tests.support.waiting import until


def deployed(bench: Bench, name: str = "web", fence: int = 1) -> str:
    vm = a_vm()
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm, name), Owner(PLATFORM, vm, fence), {})
    return vm


def powers(bench: Bench, vm: str) -> list[str]:
    """What was seen of the vm, repetitions left out."""
    seen = [power for seen_vm, power in bench.seen if seen_vm == vm]
    return [power for n, power in enumerate(seen) if n == 0 or seen[n - 1] != power]


def test_facts_name_a_capacity_and_what_the_driver_can_do(bench: Bench) -> None:
    facts = bench.driver.facts()
    assert facts.driver == bench.driver.name
    assert facts.vcpus > 0
    assert facts.memory_mib > 0
    assert facts.disk_gib > 0
    assert {Capability.NAT, Capability.BRIDGE} & set(facts.capabilities)
    assert len(facts.power_curve) == 11


def test_a_deployed_vm_is_off_and_carries_its_owner(bench: Bench) -> None:
    vm = deployed(bench, fence=7)
    assert bench.driver.power(vm) == Power.OFF
    (item,) = bench.driver.inventory()
    assert (item.vm, item.fence, item.power, item.platform) == (vm, 7, Power.OFF, PLATFORM)
    assert item.name == plan(vm).name


def test_deploying_twice_leaves_one_vm_with_the_newer_fence(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 2), {})
    assert [(item.vm, item.fence) for item in bench.driver.inventory()] == [(vm, 2)]


def test_deploying_a_running_vm_again_leaves_it_running(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 9), {})
    (item,) = bench.driver.inventory()
    assert (item.power, item.fence) == (Power.ON, 9)


def test_the_fence_of_a_running_vm_is_read_by_the_next_agent(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 9), {})
    (item,) = bench.reopen(PLATFORM).inventory()
    assert (item.vm, item.power, item.fence) == (vm, Power.ON, 9)


def test_starting_twice_is_as_starting_once(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.start(vm)
    assert bench.driver.power(vm) == Power.ON
    usage = bench.driver.usage()
    assert usage.running_vms == 1
    assert list(usage.vm_cpu_s) == ([] if bench.driver.name == "vsphere" else [vm])  # which doesn't tell it


def test_starting_what_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(HostFailed, match="not on this host"):
        bench.driver.start(a_vm())


def test_force_stop_twice_and_of_what_never_was_is_fine(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.force_stop(vm)
    bench.driver.force_stop(vm)
    assert bench.driver.power(vm) == Power.OFF
    bench.driver.force_stop(a_vm())


def test_pressing_the_button_of_a_vm_that_is_off_is_fine(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.press_power(vm)
    assert bench.driver.power(vm) == Power.OFF


def test_erase_removes_vm_and_files_and_may_be_repeated(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.erase(vm)
    bench.driver.erase(vm)
    assert bench.driver.power(vm) == Power.ABSENT
    assert bench.driver.inventory() == []
    assert not (bench.directory / "vms" / vm).exists()


def test_erase_of_what_never_was_is_fine(bench: Bench) -> None:
    bench.driver.erase(a_vm())


def test_a_half_done_deploy_is_listed_as_absent_resumed_and_erased(bench: Bench) -> None:
    vm = a_vm()
    (bench.directory / "vms" / vm).mkdir()
    (bench.directory / "vms" / vm / ".root-0.qcow2.draft").write_bytes(b"half")
    assert [(item.vm, item.power) for item in bench.driver.inventory()] == [(vm, Power.ABSENT)]
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 1), {})
    assert [(item.vm, item.power) for item in bench.driver.inventory()] == [(vm, Power.OFF)]
    bench.driver.erase(vm)
    assert bench.driver.inventory() == []


def test_erase_finishes_what_a_killed_one_left(bench: Bench) -> None:
    vm = a_vm()
    (bench.directory / "vms" / vm).mkdir()
    bench.driver.erase(vm)
    assert bench.driver.inventory() == []


def test_networks_are_made_once_and_left_alone(bench: Bench) -> None:
    for _ in range(2):
        bench.driver.ensure_network(network())
    bench.reopen(PLATFORM).ensure_network(network())


def test_power_changes_are_seen_in_order(bench: Bench) -> None:
    vm = deployed(bench)
    awaited: list[str] = []
    # One after the other: a server may tell of several changes together, and then of the last alone.
    for verb, power in (("start", Power.ON), ("force_stop", Power.OFF), ("erase", Power.ABSENT)):
        getattr(bench.driver, verb)(vm)
        awaited.append(power)
        until(lambda: powers(bench, vm) == awaited, 5, f"{', '.join(awaited)}")


def test_another_platforms_vm_is_neither_listed_nor_touched(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    stranger = bench.reopen("another-platform")
    assert vm not in [item.vm for item in stranger.inventory() if item.power != Power.ABSENT]
    with pytest.raises(HostFailed):
        stranger.deploy(plan(vm), Owner("another-platform", vm, 99), {})
    with pytest.raises(HostFailed):
        stranger.erase(vm)
    assert bench.driver.power(vm) == Power.ON


def test_a_name_that_is_taken_is_refused_and_its_owner_untouched(bench: Bench) -> None:
    taken = deployed(bench)
    vm = a_vm()
    with pytest.raises(HostFailed, match=plan(taken).name):
        bench.driver.deploy(plan(vm).__class__(**{**vars(plan(vm)), "name": plan(taken).name}), _owner(vm), {})
    bench.driver.erase(vm)
    assert bench.driver.power(taken) == Power.OFF


def test_vms_outlive_the_agent(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    bench.driver.close()
    assert bench.reopen(PLATFORM).power(vm) == Power.ON


def test_an_id_that_is_none_never_becomes_a_path(bench: Bench) -> None:
    with pytest.raises(HostFailed):
        bench.driver.erase("../../etc")
    with pytest.raises(HostFailed):
        bench.driver.deploy(plan(a_vm()), _owner("../outside"), {})
    assert not (bench.directory / "outside").exists()


def test_the_guest_port_opens_when_the_vm_runs(bench: Bench) -> None:
    vm = deployed(bench)
    assert bench.driver.guest_channel(vm) is None
    bench.driver.start(vm)
    if Capability.GUEST_CHANNEL not in bench.driver.capabilities:
        assert bench.driver.guest_channel(vm) is None
        return
    stream = until(lambda: bench.driver.guest_channel(vm), 5, "the guest port")
    assert stream is not None
    stream.close()


def test_a_seed_is_taken_as_it_is(bench: Bench, tmp_path: Path) -> None:
    vm, seed = a_vm(), seed_iso({"version": 2, "ethernets": {}})
    disks = (DiskPlan("root", size_gib=1), DiskPlan("seed", base=artifact(seed), device="cdrom"))
    bench.driver.ensure_network(network())
    files = {artifact(seed).sha256: as_file(tmp_path, seed)}
    bench.driver.deploy(plan(vm, disks=disks), _owner(vm), files)
    bench.driver.start(vm)
    assert bench.driver.power(vm) == Power.ON


def test_evidence_of_a_vm_that_never_was_is_empty(bench: Bench) -> None:
    evidence = bench.driver.evidence(a_vm())
    assert (evidence.console, evidence.screenshot) == ("", b"")


def test_the_screen_of_a_running_vm_is_a_png_that_can_be_kept(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    if bench.driver.name == "vsphere":
        # A server that takes none, as the simulated one: a recorded picture is in tests/integration/hostagent/vsphere.
        assert bench.driver.evidence(vm).screenshot == b""
        return

    def picture() -> bytes:
        found = bench.driver.evidence(vm)
        return seen(told(found.console, found.screenshot)).screenshot

    found = until(picture, 20, "a picture of the screen")
    width, height = (int.from_bytes(found[at : at + 4], "big") for at in (16, 20))
    assert 0 < width <= 4096
    assert 0 < height <= 4096
    bench.driver.force_stop(vm)
    assert bench.driver.evidence(vm).screenshot == b""


def test_two_nics_on_two_networks(bench: Bench) -> None:
    vm, inner = a_vm(), network("inner", kind="isolated", cidr="10.78.0.0/24", gateway="", dhcp_start="", dhcp_end="")
    nics = (NicPlan("52:54:00:00:00:01", network()), NicPlan("52:54:00:00:00:02", inner))
    for nic in nics:
        bench.driver.ensure_network(nic.network)
    bench.driver.deploy(plan(vm, nics=nics), _owner(vm), {})
    bench.driver.start(vm)
    assert bench.driver.power(vm) == Power.ON


def _owner(vm: str) -> Owner:
    return Owner(PLATFORM, vm, 1)
