# SPDX-License-Identifier: Apache-2.0
"""Disks that begin as an image: vms of their own, whatever becomes of the others, and nothing left half-done."""

import pytest

from services.common.contracts.survey import FoundKind
from services.hostagent.drivers.base import Capability, Power
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import needs
from tests.support.disk_images import a_master, begin_as
from tests.support.dying import Killed, dying_at, points_of
from tests.support.hypervisor import PLATFORM, a_vm, network


@needs(Capability.DISK_IMAGE)
def test_vms_begin_as_one_image_and_go_one_by_one(bench: Bench) -> None:
    masters, first, second = bench.directory / "masters", a_vm(), a_vm()
    base = a_master(masters)
    for vm in (first, first, second):
        begin_as(bench.driver, vm, base, masters)
    assert {item.vm for item in bench.driver.inventory()} == {first, second}, "what an image became is no vm"
    bench.driver.erase(first)
    bench.driver.start(second)
    begin_as(bench.driver, second, base, masters)
    assert bench.driver.power(second) == Power.ON
    of_both = [one for one in bench.driver.survey() if one.vm != second and first in (one.vm, one.name)]
    assert of_both == [], "and no disk of the second is unused"
    bench.driver.keep_masters({base.sha256})
    bench.driver.wipe(second)
    begin_as(bench.driver, second, base, masters)
    bench.driver.start(second)
    assert bench.driver.power(second) == Power.ON


@needs(Capability.DISK_IMAGE)
def test_a_vm_whose_agent_is_killed_anywhere_while_its_image_is_brought_there_is_made_all_the_same(
    bench: Bench,
) -> None:
    masters = bench.directory / "masters"
    bench.driver.ensure_network(network())  # once for all of them
    passed = points_of(lambda: begin_as(bench.driver, a_vm(), a_master(masters), masters))
    for point in passed:
        vm, base = a_vm(), a_master(masters)
        with dying_at(point), pytest.raises(Killed):
            begin_as(bench.driver, vm, base, masters)
        driver = bench.reopen(PLATFORM)
        begin_as(driver, vm, base, masters)
        driver.start(vm)
        assert driver.power(vm) == Power.ON
        driver.erase(vm)
        assert [one for one in driver.survey() if vm in (one.vm, one.name)] == []
        assert list((bench.directory / "templates").glob("*")) == []
        (masters / base.sha256).unlink()
        driver.keep_masters(())
    assert FoundKind.MASTER not in [one.kind for one in bench.driver.survey()]
