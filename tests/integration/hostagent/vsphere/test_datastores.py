# SPDX-License-Identifier: Apache-2.0
"""Datastores of a place beside that of its vms: found or refused at the start, and volumes lie there."""

from collections.abc import Iterator

import pytest
from pyVmomi import vim

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.ids import new_id
from services.common.contracts.survey import FoundKind
from services.hostagent.drivers.base import Owner
from services.hostagent.drivers.datastore_settings import Store
from tests.integration.hostagent.vsphere.conftest import Opened, nic
from tests.support.hypervisor import PLATFORM, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import DATASTORE, SECOND, Vcsim, vcsim


@pytest.fixture(scope="module")
def server() -> Iterator[Vcsim]:
    """One with two datastores."""
    with vcsim("-datastores", "2") as running:
        yield running


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nvme", f"there is no datastore 'nvme'; there are '{DATASTORE}', '{SECOND}'"),
        (DATASTORE, f"datastores.fast: '{DATASTORE}' is where vms lie; its room is theirs"),
    ],
)
def test_what_a_place_hasn_t_got_is_refused_at_the_start(opened: Opened, place: str, says: str) -> None:
    with pytest.raises(HostFailed) as refused:
        opened(stores=(Store("fast", place),), datastore=DATASTORE)
    assert refused.value.detail.endswith(says)


def test_a_volume_lies_in_the_platform_s_own_directory_and_what_nobody_knows_is_told(opened: Opened) -> None:
    driver = opened(stores=(Store("fast", SECOND),), datastore=DATASTORE)
    (told,) = driver.facts().datastores
    assert (told.name, told.size_gib > 0, told.grows) == ("fast", True, True)
    vm, volume = new_id(), VolumePlan(new_id(), 1, datastore="fast")
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    driver.attach_volume(vm, volume)
    driver.erase(vm)
    (found,) = (one for one in driver.survey() if one.kind == FoundKind.VOLUME)
    assert (found.id, found.vm) == (volume.id, "")
    assert found.name == f"[{SECOND}] {driver.at.place().directory}/volumes/{volume.id}.vmdk"
    driver.drop_volume(volume.id, "fast")
    assert [one for one in driver.survey() if one.kind == FoundKind.VOLUME] == []


def test_a_datastore_that_goes_later_takes_nothing_else_with_it(opened: Opened, administrator: Administrator) -> None:
    driver = opened(stores=(Store("fast", SECOND),), datastore=DATASTORE)
    administrator.run(administrator.named(vim.Datastore, SECOND).Destroy_Task())
    driver.at.places.doubt()
    assert driver.facts().datastores == ()
    vm = new_id()
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    with pytest.raises(HostFailed, match="there is no datastore 'fast' on this host; there are none"):
        driver.attach_volume(vm, VolumePlan(new_id(), 1, datastore="fast"))
