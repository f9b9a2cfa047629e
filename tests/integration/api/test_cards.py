# SPDX-License-Identifier: Apache-2.0
"""Cards over HTTP: what is booked at once, and what is refused at which field. The host's part is in tests/e2e."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.abilities import Ability
from services.common.store.models import AddressLease, Vm
from tests.integration.api.test_volumes import a_host, a_vm, settled
from tests.support.front_door import Api

_labs = count()
ABLE = (Ability.NIC_ATTACH, Ability.NIC_HOT, "network-nat", "network-isolated")


@pytest.fixture
def vm(api: Api) -> dict[str, Any]:
    return a_vm(api, a_host(api, *ABLE))


@pytest.fixture
def lab(api: Api) -> str:
    """A network of static addresses, new in each test."""
    n = next(_labs)
    name = f"lab-{n}"
    api.done("operator", "POST", "/v1/networks", {"name": name, "kind": "isolated", "cidr": f"10.140.{n}.0/24"})
    return name


def leases(api: Api, vm: dict[str, Any]) -> list[str]:
    with api.database.read() as db:
        return sorted(db.scalars(select(AddressLease.address).where(AddressLease.vm_id == vm["id"])))


def subnet(name: str) -> str:
    return f"10.140.{name.rpartition('-')[2]}"


def test_a_card_is_in_the_specification_and_its_address_is_the_vm_s_at_once(
    api: Api, vm: dict[str, Any], lab: str
) -> None:
    address = f"{subnet(lab)}.9/24"
    answer = api.done("member", "POST", f"/v1/vms/{vm['id']}/nics", {"network": lab, "addresses": [address]})
    assert answer["job"]["kind"] == "vm.attach-nic"
    assert (answer["nic"]["name"], answer["nic"]["method"], answer["nic"]["network"]) == ("eth1", "static", lab)
    assert "has to be told of it" in answer["guest"]
    assert leases(api, vm) == [address.split("/")[0]]
    shown = api.done("viewer", "GET", f"/v1/vms/{vm['id']}/nics")["items"]
    assert [nic["mac"] for nic in shown] == [vm["nics"][0]["mac"], answer["nic"]["mac"]]
    busy = api.ask("member", "DELETE", f"/v1/vms/{vm['id']}/nics/{answer['nic']['mac']}")
    assert (busy.status_code, busy.json["code"]) == (409, "conflict")


def test_a_dry_run_books_nothing(api: Api, vm: dict[str, Any], lab: str) -> None:
    asked = {"network": lab, "addresses": [f"{subnet(lab)}.9/24"]}
    assert api.done("member", "POST", f"/v1/vms/{vm['id']}/nics?dry_run=true", asked)["dry_run"]
    assert leases(api, vm) == []
    assert len(api.done("member", "GET", f"/v1/vms/{vm['id']}/nics")["items"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/network"),
        ({"network": "lba"}, "/network"),
        ({"network": "LAB", "addresses": ["10.0.0.1"]}, "/addresses/0"),
        ({"network": "LAB", "addresses": ["203.0.113.9/24"]}, "/addresses/0"),
        ({"network": "LAB", "method": "dhcp"}, "/method"),
        ({"network": "LAB", "name": "eth0"}, "/name"),
        ({"network": "LAB", "mac": "01:00:5e:00:00:01"}, "/mac"),
        ({"network": "LAB", "bond": "bond0"}, "/bond"),
    ],
)
def test_a_wrong_card_names_its_field(
    api: Api, vm: dict[str, Any], lab: str, body: dict[str, Any], pointer: str
) -> None:
    given = {**body, **({"network": lab} if body.get("network") == "LAB" else {})}
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/nics", given)
    assert answer.status_code == 422, answer.text
    assert pointer in [problem["pointer"] for problem in answer.json["errors"]]


def test_what_another_vm_has_is_not_given_twice(api: Api, vm: dict[str, Any], lab: str) -> None:
    other = a_vm(api, a_host(api, *ABLE))
    address = f"{subnet(lab)}.7/24"
    api.done("member", "POST", f"/v1/vms/{other['id']}/nics", {"network": lab, "addresses": [address]})
    path = f"/v1/vms/{vm['id']}/nics"
    taken = api.ask("member", "POST", path, {"network": lab, "addresses": [address]})
    assert (taken.status_code, taken.json["errors"][0]["pointer"]) == (409, "/addresses/0")
    mac = other["nics"][0]["mac"]
    taken = api.ask("member", "POST", path, {"network": lab, "mac": mac.upper()})
    assert (taken.status_code, taken.json["errors"][0]["pointer"]) == (409, "/mac")


def test_a_card_that_is_not_there_or_carries_others_is_not_taken_out(api: Api, vm: dict[str, Any]) -> None:
    assert api.ask("member", "DELETE", f"/v1/vms/{vm['id']}/nics/52:54:00:ff:ff:ff").status_code == 404
    assert api.ask("member", "DELETE", f"/v1/vms/{vm['id']}/nics/..%2f").status_code == 404
    body = {"name": f"{vm['name']}-v", "os": "debian-12", "flavor": "large", "vlans": [{"id": 20, "over": "eth0"}]}
    made = api.done("member", "POST", "/v1/vms", {**body, "networks": [{"network": "default"}]})["vm"]
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == made["id"]).values(state="stopped"))
    settled(api, made["id"])
    answer = api.ask("member", "DELETE", f"/v1/vms/{made['id']}/nics/{made['nics'][0]['mac']}")
    assert (answer.status_code, "vlan20" in answer.json["detail"]) == (409, True)


def test_a_vm_in_another_state_or_on_another_hypervisor_keeps_its_cards(api: Api, vm: dict[str, Any]) -> None:
    asked = {"network": "default"}
    for state in ("stopping", "missing"):
        settling = a_vm(api, a_host(api, *ABLE), state)
        answer = api.ask("member", "POST", f"/v1/vms/{settling['id']}/nics", asked)
        assert (answer.status_code, answer.json["code"], state in answer.json["detail"]) == (409, "illegal-state", True)
    poor = a_vm(api, a_host(api))
    assert api.ask("member", "POST", f"/v1/vms/{poor['id']}/nics", asked).json["code"] == "unsupported"
