# SPDX-License-Identifier: Apache-2.0
"""What a vm's host can't do is refused before anything is written, and what can be done is shown with the vm."""

from typing import Any

import pytest
from sqlalchemy import update

from services.api.intents.abilities import need
from services.common.contracts.abilities import NEEDS, Ability, possible, verbs
from services.common.contracts.errors import Unsupported
from services.common.contracts.ids import new_id
from services.common.contracts.states import VmState
from services.common.store.models import Host, Job, Vm
from tests.support.front_door import Api


def host(api: Api, driver: str, *capabilities: str) -> str:
    asked = {"name": f"h-{new_id()[-12:]}", "driver": driver}
    with api.database.write() as db:
        row = Host(
            id=new_id(), state="up", facts={"capabilities": list(capabilities)}, created_at=0, updated_at=0, **asked
        )
        db.add(row)
        return row.id


def vm_on(api: Api, host_id: str, state: str = "ready") -> dict[str, Any]:
    body = {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"}
    vm_id = api.done("member", "POST", "/v1/vms", body)["vm"]["id"]
    with api.database.write() as db:
        db.execute(update(Job).where(Job.vm_id == vm_id).values(state="succeeded"))
        db.execute(update(Vm).where(Vm.id == vm_id).values(state=state, job_id=None, host_id=host_id))
    found: dict[str, Any] = api.done("member", "GET", f"/v1/vms/{vm_id}")
    return found


def test_an_ability_the_host_lacks_is_refused_with_the_drivers_that_have_it(api: Api) -> None:
    poor, rich = host(api, "vsphere"), host(api, "libvirt", Ability.SUSPEND)
    vm = vm_on(api, poor)
    with api.database.read() as db:
        row = db.get_one(Vm, vm["id"])
        with pytest.raises(Unsupported, match=r"driver 'vsphere', where suspend is not possible") as refused:
            need(db, row, Ability.SUSPEND, "suspend")
        assert refused.value.status == 422
        assert refused.value.extra["drivers"] == ["libvirt"]
        name = db.get_one(Host, rich).name
        assert name not in str(refused.value.extra)  # members don't know hosts
        with pytest.raises(Unsupported) as told:
            need(db, row, Ability.SUSPEND, "suspend", names=True)
        assert name in told.value.extra["hosts"]


def test_a_host_that_has_the_ability_and_a_vm_without_a_host_are_not_refused(api: Api) -> None:
    vm = vm_on(api, host(api, "fake", Ability.SUSPEND))
    with api.database.read() as db:
        row = db.get_one(Vm, vm["id"])
        need(db, row, Ability.SUSPEND, "suspend")
        db.expunge(row)
        row.host_id = None
        need(db, row, Ability.SNAPSHOT, "snapshot")


def test_a_vm_shows_the_verbs_of_its_state(api: Api) -> None:
    able = host(api, "fake", *NEEDS.values())
    assert {"stop", "force-stop", "reboot", "delete"} <= set(vm_on(api, able)["verbs"])
    off = set(vm_on(api, able, "stopped")["verbs"])
    assert {"start", "delete"} <= off
    assert not off & {"stop", "reboot"}
    protected = vm_on(api, able)
    changed = api.done(
        "member", "PATCH", f"/v1/vms/{protected['id']}", {"protect": True}, headers={"If-Match": protected["etag"]}
    )
    assert "delete" not in changed["verbs"]


def test_every_verb_is_offered_in_some_state_and_only_where_its_ability_is() -> None:
    able = {verb for state in VmState for verb in possible(state, False, NEEDS.values())}
    poor = {verb for state in VmState for verb in possible(state, False, [])}
    assert able == set(verbs())
    assert able - poor == able & set(NEEDS)


def test_while_a_job_works_on_it_a_vm_can_only_be_deleted() -> None:
    assert {verb for state in VmState for verb in possible(state, True, NEEDS.values())} == {"delete"}
