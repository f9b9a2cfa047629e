# SPDX-License-Identifier: Apache-2.0
"""What hypervisors' own programs say of guests is kept and shown, and weighed where guests are silent."""

from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.codec import dump
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import new_id
from services.common.contracts.tools import ToolsFacts, ToolsLink
from services.common.store.guest_tools import SETTLE_S, GuestTools, weigh_later
from services.common.store.models import Job, Vm
from services.conductor.tools import Tools
from tests.integration.api.test_drift import Guest
from tests.support.front_door import Api

MINUTE_S = 60.0


class Silent(Guest):
    """A vm that runs, and whose guest has never spoken."""

    def __init__(self, api: Api, state: str = "ready-unverified"):
        super().__init__(api, state)
        self.tools = Tools(api.database)
        self.settles(state, power="on", observed=None)
        card = self.shown()["nics"][0]
        net = next(n for n in api.done("viewer", "GET", "/v1/networks")["items"] if n["name"] == card["network"])
        self.mac, self.right = card["mac"], net["cidr"].replace(".0/24", ".99")

    def said(self, address: str, host: str = "", **changes: Any) -> Any:
        """Its hypervisor tells; what is shown then."""
        facts = ToolsFacts(
            **{"running": True, "hostname": "web", "links": (ToolsLink(self.mac, (address,)),)} | changes
        )
        kind = AgentEventKind.TOOLS
        self.tools.record(AgentEvent(new_id(), kind, host or self.host, 0.0, self.id, data=dump(facts)))
        return self.shown()

    def minute_passes(self) -> Any:
        """As if it had been said a minute before; what is shown after the next look."""
        with self.api.database.write() as db:
            earlier = {"since": GuestTools.since - MINUTE_S, "due": GuestTools.due - MINUTE_S}
            db.execute(update(GuestTools).where(GuestTools.vm_id == self.id).values(**earlier))
        self.tools.weigh_due()
        return self.shown()


@pytest.fixture
def vm(api: Api) -> Silent:
    return Silent(api)


def test_a_silent_guest_whose_addresses_are_seen_as_asked_is_ready(vm: Silent) -> None:
    assert vm.shown()["tools"] is None
    shown = vm.said(vm.right)
    assert shown["state"] == "ready"
    assert (shown["tools"]["running"], shown["tools"]["hostname"], shown["tools"]["mismatches"]) == (True, "web", [])
    assert shown["tools"]["interfaces"] == [{"mac": vm.mac, "addresses": [vm.right]}]
    line = vm.drift()["items"][0]
    assert (line["kind"], line["data"]["mismatches"], shown["drift"]) == ("vm.network-seen", [], None)
    listed = vm.api.done("viewer", "GET", "/v1/vms?limit=1000")["items"]
    assert "tools" not in next(one for one in listed if one["id"] == vm.id)


def test_one_whose_addresses_are_others_for_a_while_is_a_mismatch_until_they_are_right(vm: Silent) -> None:
    assert vm.said("192.0.2.7")["state"] == "ready-unverified"
    vm.tools.weigh_due()
    assert vm.shown()["state"] == "ready-unverified"
    shown = vm.minute_passes()
    assert shown["state"] == "network-mismatch"
    assert "no IPv4 address by DHCP" in shown["tools"]["mismatches"][0]
    assert shown["tools"]["mismatches"] == vm.drift()["items"][0]["data"]["mismatches"]
    assert vm.said(vm.right)["state"] == "ready"


def test_what_is_told_twice_changes_nothing_the_second_time(vm: Silent) -> None:
    first, again = vm.said("192.0.2.7"), vm.said("192.0.2.7")
    assert first["tools"]["since"] == again["tools"]["since"]
    assert first["tools"]["at"] < again["tools"]["at"]
    assert first["etag"] == again["etag"]


@pytest.mark.parametrize("says", [{"running": False}, {"links": ()}])
def test_who_sees_nothing_decides_nothing(vm: Silent, says: dict[str, Any]) -> None:
    vm.said(vm.right, **says)
    shown = vm.minute_passes()
    assert (shown["state"], shown["tools"]["mismatches"]) == ("ready-unverified", None)


def test_a_guest_s_own_word_counts_for_more_and_both_are_shown(vm: Silent) -> None:
    vm.settles("ready", observed={"hostname": "own", "interfaces": []})
    vm.said("192.0.2.7")
    shown = vm.minute_passes()
    assert (shown["state"], shown["observed"]["hostname"], shown["tools"]["hostname"]) == ("ready", "own", "web")
    assert shown["tools"]["mismatches"]


def test_another_host_s_word_is_not_taken(vm: Silent) -> None:
    assert vm.said(vm.right, host=new_id())["tools"] is None


def test_a_vm_that_a_job_works_on_is_weighed_when_that_is_over(vm: Silent) -> None:
    with vm.api.database.write() as db:
        job = db.scalar(select(Job.id).where(Job.vm_id == vm.id))
        db.execute(update(Vm).where(Vm.id == vm.id).values(job_id=job))
    vm.said(vm.right)
    assert vm.minute_passes()["state"] == "ready-unverified"
    vm.settles("ready-unverified")
    assert vm.minute_passes()["state"] == "ready"


def test_after_another_boot_what_was_told_before_it_counts_in_a_while_only(vm: Silent) -> None:
    vm.said(vm.right)
    vm.settles("ready-unverified")
    with vm.api.database.write() as db:
        at = db.get_one(GuestTools, vm.id).at
        weigh_later(db, vm.id, at)
    with vm.api.database.read() as db:
        assert db.get_one(GuestTools, vm.id).due == at + SETTLE_S
    vm.tools.weigh_due()
    assert vm.shown()["state"] == "ready-unverified"
    assert vm.minute_passes()["state"] == "ready"
