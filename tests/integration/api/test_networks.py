# SPDX-License-Identifier: Apache-2.0
"""Networks over HTTP: addresses out of ranges, reservations, overlaps, and what no host can do."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.commands import Verb
from services.common.contracts.ids import new_id
from services.common.contracts.topics import COMMAND
from services.common.store.models import Outbox, Vm
from tests.integration.api.test_volumes import a_host
from tests.support.front_door import Api

_numbers = count()


def a_network(api: Api, **more: Any) -> dict[str, Any]:
    """An isolated network of its own: 10.150.n.0/24, named net-n."""
    n = next(_numbers)
    body = {"name": f"net-{n}-{new_id()[-8:]}", "kind": "isolated", "cidr": f"10.150.{n}.0/24"}
    given = {key: _in(n, value) for key, value in more.items()}
    made: dict[str, Any] = api.done("operator", "POST", "/v1/networks", body | given)
    return made


def _in(n: int, value: Any) -> Any:
    """The same with its N replaced by the network's number."""
    if isinstance(value, str):
        return value.replace("N", str(n)) if value.startswith("10.150.N") else value
    if isinstance(value, dict):
        return {key: _in(n, item) for key, item in value.items()}
    return [_in(n, item) for item in value] if isinstance(value, list) else value


def asked(network: dict[str, Any], name: str = "", **link: Any) -> dict[str, Any]:
    name = name or f"vm-{new_id()[-12:]}"
    return {"name": name, "os": "mini", "flavor": "tiny", "networks": [{"network": network["name"], **link}]}


def given(api: Api, network: dict[str, Any], name: str = "", **link: Any) -> list[str]:
    """The addresses a new vm gets."""
    vm = api.done("member", "POST", "/v1/vms", asked(network, name, **link))["vm"]
    return [address for nic in vm["nics"] for address in nic["addresses"]]


def changed(api: Api, network: dict[str, Any], **body: Any) -> Any:
    shown = api.done("operator", "GET", f"/v1/networks/{network['id']}")
    return api.ask("operator", "PATCH", f"/v1/networks/{network['id']}", body, headers={"If-Match": shown["etag"]})


def test_vms_get_addresses_of_the_ranges_until_there_is_none_and_give_them_back(api: Api) -> None:
    net = a_network(api, ranges=[{"start": "10.150.N.10", "end": "10.150.N.11"}])
    prefix = net["cidr"].rpartition(".")[0]
    got = given(api, net) + given(api, net, method="static")
    assert sorted(got) == [f"{prefix}.10/24", f"{prefix}.11/24"]
    answer = api.ask("member", "POST", "/v1/vms", asked(net, method="static"))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/networks/0/addresses")
    larger = [{"start": f"{prefix}.10", "end": f"{prefix}.12"}]
    assert changed(api, net, ranges=larger).json["ranges"] == larger
    assert given(api, net, method="static") == [f"{prefix}.12/24"]


def test_a_reserved_address_is_its_vm_s_and_nobody_else_s(api: Api) -> None:
    name = f"db-{new_id()[-8:]}"
    net = a_network(api, reservations=[{"address": "10.150.N.5", "name": name}])
    address = net["reservations"][0]["address"]
    answer = api.ask("member", "POST", "/v1/vms", asked(net, addresses=[f"{address}/24"]))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/networks/0/addresses/0")
    assert given(api, net, name) == [f"{address}/24"]
    taken = changed(api, net, reservations=[{"address": address, "name": "another"}])
    assert (taken.status_code, taken.json["errors"][0]["pointer"]) == (409, "/reservations/0/address")


def test_a_reserved_mac_gets_its_address(api: Api) -> None:
    mac = f"52:54:00:{new_id()[-6:-4]}:{new_id()[-4:-2]}:{new_id()[-2:]}"
    net = a_network(api, reservations=[{"address": "10.150.N.6", "mac": mac.upper()}])
    assert given(api, net, mac=mac) == [net["reservations"][0]["address"] + "/24"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"ranges": [{"start": "10.150.N.9", "end": "10.150.N.5"}]}, "/ranges/0/end"),
        ({"ranges": [{"start": "10.151.0.1", "end": "10.150.N.5"}]}, "/ranges/0/start"),
        ({"ranges": [{"start": "x", "end": "10.150.N.5"}]}, "/ranges/0/start"),
        ({"ranges": [{"start": "10.150.N.1", "end": "10.150.N.5"}] * 2}, "/ranges/1"),
        ({"reservations": [{"address": "10.150.N.5"}]}, "/reservations/0"),
        ({"reservations": [{"address": "10.150.N.5", "name": "a", "mac": "52:54:00:00:00:01"}]}, "/reservations/0"),
        ({"reservations": [{"address": "10.150.N.5", "name": n} for n in "ab"]}, "/reservations/1"),
        ({"reservations": [{"address": "10.200.0.5", "name": "a"}]}, "/reservations/0/address"),
        ({"vlan": 7}, "/vlan"),
        ({"vlan": 4095, "kind": "bridge", "bridge": "br0"}, "/vlan"),
        ({"kind": "bridge", "bridge": "br0", "cidr": "rubbish"}, "/cidr"),
    ],
)
def test_a_network_that_can_t_be_names_the_field(api: Api, more: dict[str, Any], pointer: str) -> None:
    n = next(_numbers)
    body = {"name": f"bad-{n}", "kind": "isolated", "cidr": f"10.150.{n}.0/24"}
    answer = api.ask("operator", "POST", "/v1/networks", body | {k: _in(n, v) for k, v in more.items()})
    assert answer.status_code == 422, answer.text
    assert answer.json["errors"][0]["pointer"] == pointer


def test_a_network_that_overlaps_another_is_refused_and_told_which_where_that_may_be_known(api: Api) -> None:
    net = a_network(api, gateway="10.150.N.1", kind="nat")
    inside = {"name": f"in-{net['name']}", "kind": "isolated", "cidr": net["cidr"].replace("/24", "/28")}
    answer = api.ask("operator", "POST", "/v1/networks", inside)
    assert (answer.status_code, net["name"] in answer.json["detail"]) == (409, True)
    elsewhere = {"X-Project": api.project(operator="operator")["id"]}
    assert api.ask("operator", "POST", "/v1/networks", inside, headers=elsewhere).status_code == 201
    hosted = inside | {"name": "nat", "kind": "nat", "gateway": net["gateway"]}
    answer = api.ask("operator", "POST", "/v1/networks", hosted, headers=elsewhere)
    assert answer.status_code == 409
    assert net["name"] not in answer.text


def test_who_changes_a_network_must_have_seen_it_and_may_be_nobody_s_guest(api: Api) -> None:
    net = a_network(api)
    path = f"/v1/networks/{net['id']}"
    assert api.ask("operator", "PATCH", path, {"ranges": []}).status_code == 428
    assert api.ask("member", "PATCH", path, {"ranges": []}, headers={"If-Match": net["etag"]}).status_code == 403
    assert changed(api, net, cidr="10.1.0.0/24").status_code == 422
    shared = api.done("member", "GET", "/v1/networks?limit=1000")["items"]
    default = next(n for n in shared if n["project"] is None)
    assert changed(api, default, ranges=[]).status_code == 403


def test_in_a_network_of_every_project_addresses_are_reserved_for_macs_alone(api: Api) -> None:
    shown = api.done("admin", "GET", "/v1/networks?limit=1000")["items"]
    default = next(n for n in shown if n["project"] is None and n["kind"] == "nat")
    path, seen = f"/v1/networks/{default['id']}", {"If-Match": default["etag"]}
    reserved = [{"address": default["cidr"].replace(".0/24", ".9"), "name": "web"}]
    answer = api.ask("admin", "PATCH", path, {"reservations": reserved}, headers=seen)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/reservations/0/name")


def test_a_tag_and_a_filter_need_a_host_that_has_them(api: Api) -> None:
    a_host(api)
    tagged = {"name": f"t-{new_id()[-8:]}", "kind": "bridge", "bridge": "br0", "vlan": 7}
    answer = api.ask("operator", "POST", "/v1/networks", tagged)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/vlan")
    a_host(api, "network-vlan", "anti-spoof")
    for fields, need in (({"vlan": 7}, "network-vlan"), ({"vlan": None, "anti_spoof": True}, "anti-spoof")):
        made = api.done("operator", "POST", "/v1/networks", tagged | {"name": f"t-{new_id()[-8:]}"} | fields)
        assert (made["vlan"] == 7, made["anti_spoof"]) == (need == "network-vlan", need == "anti-spoof")
        vm_id = api.done("member", "POST", "/v1/vms", asked(made))["vm"]["id"]
        with api.database.write() as db:
            assert need in db.get_one(Vm, vm_id).spec["needs"]
            db.execute(update(Vm).where(Vm.id == vm_id).values(deleted_at=1.0))


def test_what_is_tagged_passes_no_filter_and_is_refused_with_one(api: Api) -> None:
    a_host(api, "network-vlan", "anti-spoof")
    both = {"name": f"t-{new_id()[-8:]}", "kind": "bridge", "bridge": "br0", "vlan": 7, "anti_spoof": True}
    answer = api.ask("operator", "POST", "/v1/networks", both)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/anti_spoof")


def test_hosts_are_told_to_remove_a_network_that_is_deleted_and_a_dry_run_tells_nobody(api: Api) -> None:
    host, net = a_host(api), a_network(api)
    path, seen = f"/v1/networks/{net['id']}", {"If-Match": net["etag"]}

    def told() -> list[str]:
        with api.database.read() as db:
            rows = [row.payload for row in db.scalars(select(Outbox).where(Outbox.kind == COMMAND))]
        return [row["host"] for row in rows if (row["verb"], row["vm"]) == (Verb.DROP_NETWORK, net["id"])]

    assert api.ask("operator", "DELETE", f"{path}?dry_run=true", headers=seen).status_code == 200
    assert told() == []
    assert api.ask("operator", "DELETE", path, headers=seen).status_code == 204
    assert host in told()
