# SPDX-License-Identifier: Apache-2.0
"""What the API says to requests that are wrong: status, code, the field, and what would be right."""

import base64
import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from services.common.catalog import OsEntry
from services.common.contracts.ids import new_id
from tests.support.front_door import Api
from tests.support.problems import counts, problem

VM = {"name": "web", "os": "mini", "flavor": "tiny"}
PEM = "ssh-ed25519 AAAA you@there"


def nic(*addresses: str, network: str = "lab", **more: Any) -> dict[str, Any]:
    return {"networks": [{"network": network, "addresses": list(addresses), **more}]}


def two(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {"networks": [*first["networks"], *second["networks"]]}


LAN = {"name": "lan", "kind": "nat", "cidr": "10.90.0.0/24", "gateway": "10.90.0.1"}
# What is added to LAN | pointer | words of the detail | words of the fix
WRONG_NETWORKS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no gateway": ({"gateway": ""}, "/gateway", "the host's address", "like 10.90.0.1"),
    "one address only": ({"gateway": "", "cidr": "10.90.0.7/32"}, "/gateway", "the host's address", "like 10.90.0.7"),
    "half a range": ({"dhcp_start": "10.90.0.9"}, "/dhcp_end", "a first and a last", "give both"),
    "a range backwards": (
        {"dhcp_start": "10.90.0.200", "dhcp_end": "10.90.0.100"},
        "/dhcp_end",
        "10.90.0.100 is before 10.90.0.200",
        "exchange",
    ),
    "a range elsewhere": (
        {"dhcp_start": "10.91.0.1", "dhcp_end": "10.90.0.100"},
        "/dhcp_start",
        "outside 10.90.0.0/24",
        "choose an address",
    ),
}

# What is added to VM (None takes a field away) | pointer | words of the detail | words of the fix
WRONG: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "unknown os": ({"os": "minni"}, "/os", "no os 'minni'", "did you mean 'mini'"),
    "no os": ({"os": None}, "/os", "required", "add it"),
    "unknown flavor": ({"flavor": "tinny"}, "/flavor", "no flavor 'tinny'", "did you mean 'tiny'"),
    "unknown flavor, nothing near": ({"flavor": "qqqq"}, "/flavor", "no flavor", "GET /v1/flavors"),
    "flavor and figures": ({"vcpus": 2}, "/vcpus", "exclude each other", "give the flavor, or"),
    "no size": ({"flavor": None}, "/flavor", "no size", "tiny"),
    "half a size": ({"flavor": None, "vcpus": 1}, "/memory_mib", "no size", "vcpus, memory_mib and disk_gib"),
    "too little for the os": ({"os": "debian-12"}, "/flavor", "debian-12 needs at least", "choose at least"),
    "a hypervisor nobody knows": (
        {"hypervisor": "xen"},
        "/hypervisor",
        "'xen' is no driver",
        "libvirt, vsphere or fake",
    ),
    "no vcpus": ({"flavor": None, "vcpus": 0, "memory_mib": 256, "disk_gib": 1}, "/vcpus", "0 is out of", "1 to 256"),
    "a figure as text": (
        {"flavor": None, "vcpus": "2", "memory_mib": 256, "disk_gib": 1},
        "/vcpus",
        "Not a valid integer",
        "",
    ),
    "unknown network": (nic(network="lap"), "/networks/0/network", "no network 'lap'", "did you mean 'lab'"),
    "none beside others": (
        two(nic(network="none"), nic("10.78.0.20/24")),
        "/networks/0/network",
        "no NIC at all",
        "the only entry",
    ),
    "address twice": (
        two(nic("10.78.0.20/24"), nic("10.78.0.20/24")),
        "/networks/1/addresses/0",
        "given twice",
        "its own address",
    ),
    "address off the link": (nic("10.99.0.5/24"), "/networks/0/addresses/0", "outside network 'lab'", "10.78.0.10/24"),
    "no prefix length": (nic("10.78.0.20"), "/networks/0/addresses/0", "no prefix length", "10.78.0.20/24"),
    "another prefix length": (nic("10.78.0.20/16"), "/networks/0/addresses/0", "/16 is not", '"10.78.0.20/24"'),
    "the network itself": (nic("10.78.0.0/24"), "/networks/0/addresses/0", "network's own", "host address"),
    "not an address": (nic("ten"), "/networks/0/addresses/0", "not an IP address", "192.0.2.10/24"),
    "the network's gateway": (
        nic("10.77.0.1/24", network="default"),
        "/networks/0/addresses/0",
        "is the gateway",
        "choose another",
    ),
    "in the DHCP range": (
        nic("10.77.0.150/24", network="default"),
        "/networks/0/addresses/0",
        "in the DHCP range 10.77.0.100 to 10.77.0.199",
        "outside the range",
    ),
    "gateway off the subnet": (
        nic("10.78.0.20/24", gateway="10.79.0.1"),
        "/networks/0/gateway",
        "outside the link's subnet (10.78.0.0/24)",
        "router on the link",
    ),
    "two default gateways": (
        two(nic("10.78.0.20/24", gateway="10.78.0.1"), nic("10.78.0.21/24", gateway="10.78.0.2")),
        "/networks/1/gateway",
        "a second IPv4 default route",
        "keep one gateway",
    ),
    "DHCP where there is none": (nic(method="dhcp"), "/networks/0/method", "no DHCP server", "static address of 10.78"),
    "static without an address": (nic(method="static"), "/networks/0/addresses", "needs an address", "10.78.0.10/24"),
    "unknown method": (nic(method="magic"), "/networks/0/method", "'magic' is unknown", "dhcp, static or none"),
    "a broken MAC": (nic(mac="52:54"), "/networks/0/mac", "not a MAC address", "52:54:00:12:34:56"),
    "a multicast MAC": (nic(mac="01:00:5e:00:00:01"), "/networks/0/mac", "multicast", "must be even"),
    "a broken DNS server": (
        nic("10.78.0.20/24", dns=["one"]),
        "/networks/0/dns/0",
        "not an IP address",
        "DNS server's IP",
    ),
    "a route via nowhere": (
        nic("10.78.0.20/24", routes=[{"to": "192.0.2.0/24", "via": "10.1.1.1"}]),
        "/networks/0/routes/0/via",
        "not on the link",
        "link's subnets",
    ),
    "an unknown field": ({"flavour": "tiny"}, "/flavour", "'flavour' is not a field", "did you mean 'flavor'"),
    "an unknown field inside": (nic(adresses=[]), "/networks/0/adresses", "is not a field", "'addresses'"),
    "a name with capitals": ({"name": "Web_1"}, "/name", "'Web_1' is not a name", "1 to 63 of a-z"),
    "a name as a number": ({"name": 7}, "/name", "Not a valid string", ""),
    "a broken SSH key": (
        {"users": [{"name": "ann", "ssh_keys": [PEM]}]},
        "/users/0/ssh_keys/0",
        "cut short",
        "copy the",
    ),
    "a user twice": ({"users": [{"name": "ann"}, {"name": "ann"}]}, "/users/1/name", "given twice", "one entry"),
    "a short password": ({"users": [{"name": "ann", "password": "x"}]}, "/users/0/password", "8 to 256", "longer"),
    "a package with options": ({"packages": ["-y"]}, "/packages/0", "not a package name", "the name alone"),
    "an unknown time zone": ({"timezone": "Europe/Berlim"}, "/timezone", "not a time zone", "Europe/Berlin"),
    "a first boot that is no script": ({"first_boot": "echo"}, "/first_boot", "neither a script", "#!/bin/sh"),
    "protect as text": ({"protect": "yes"}, "/protect", "neither true nor false", "without quotes"),
    "a host by a member": ({"host": "h1"}, "/host", "only admins", "leave it out"),
}


def vm(api: Api, **more: Any) -> dict[str, Any]:
    """A vm, made by the member."""
    made: dict[str, Any] = api.done("member", "POST", "/v1/vms", {**VM, "name": f"vm-{new_id()[-12:]}", **more})
    return made


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_vm_is_refused_with_its_field_the_reason_and_the_fix(api: Api, case: str) -> None:
    change, pointer, detail, fix = WRONG[case]
    body = {k: v for k, v in {**VM, **change}.items() if v is not None}
    before = counts(api)
    found = problem(api.ask("member", "POST", "/v1/vms", body), 422, "invalid")
    wrong = {p["pointer"]: p for p in found["errors"]}
    assert pointer in wrong, found
    assert detail in wrong[pointer]["detail"]
    assert fix in wrong[pointer]["fix"]
    assert counts(api) == before


@pytest.mark.parametrize("case", WRONG_NETWORKS)
def test_a_wrong_network_is_refused_with_its_field_the_reason_and_the_fix(api: Api, case: str) -> None:
    change, pointer, detail, fix = WRONG_NETWORKS[case]
    before = counts(api)
    found = problem(api.ask("operator", "POST", "/v1/networks", {**LAN, **change}), 422, "invalid")
    wrong = {p["pointer"]: p for p in found["errors"]}
    assert pointer in wrong, found
    assert detail in wrong[pointer]["detail"]
    assert fix in wrong[pointer]["fix"]
    assert counts(api) == before


def test_everything_that_is_wrong_is_told_at_once(api: Api) -> None:
    body = {**VM, "os": "plan-9", "flavor": "tinny", **nic("10.99.0.5/24")}
    found = problem(api.ask("member", "POST", "/v1/vms", body), 422, "invalid")
    assert {p["pointer"] for p in found["errors"]} == {"/os", "/flavor", "/networks/0/addresses/0"}


def test_an_os_whose_medium_nobody_knows_to_start_is_no_vm_yet(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OsEntry, "installable", False)
    body = {**VM, "os": "rocky-9-installer", "flavor": "large"}
    found = problem(api.ask("member", "POST", "/v1/vms", body), 422, "invalid")
    assert [p["pointer"] for p in found["errors"]] == ["/os"]
    assert "previewed" in found["errors"][0]["fix"]


def test_a_system_that_wants_two_processors_says_so(api: Api) -> None:
    body = {key: value for key, value in VM.items() if key != "flavor"}
    asked = {**body, "os": "esxi-8", "vcpus": 1, "memory_mib": 8192, "disk_gib": 40}
    found = problem(api.ask("member", "POST", "/v1/vms", asked), 422, "invalid")
    told = [(p["pointer"], p["detail"], p["fix"]) for p in found["errors"]]
    assert ("/vcpus", "esxi-8 needs at least 2 CPUs; this is 1", "choose at least 2 CPUs") in told


def test_a_name_in_use_and_an_address_in_use_are_conflicts_that_name_the_field(api: Api) -> None:
    body = {**VM, "name": f"vm-{new_id()[-12:]}", **nic("10.78.0.30/24")}
    api.done("member", "POST", "/v1/vms", body)
    before = counts(api)
    found = problem(api.ask("member", "POST", "/v1/vms", body), 409, "conflict")
    assert [p["pointer"] for p in found["errors"]] == ["/name", "/networks/0/addresses/0"]
    assert "choose another" in found["errors"][1]["fix"]
    other = {**body, "name": f"vm-{new_id()[-12:]}"}
    found = problem(api.ask("member", "POST", "/v1/vms", other), 409, "conflict")
    assert [p["pointer"] for p in found["errors"]] == ["/networks/0/addresses/0"]
    assert counts(api) == before


def test_a_mac_in_use_is_a_conflict(api: Api) -> None:
    mac = "52:54:00:aa:bb:01"
    vm(api, **nic("10.78.0.31/24", mac=mac))
    body = {**VM, "name": "mac-2", **nic("10.78.0.32/24", mac=mac.upper())}
    found = problem(api.ask("member", "POST", "/v1/vms", body), 409, "conflict")
    assert found["errors"][0]["pointer"] == "/networks/0/mac"


def raw(api: Api, data: bytes, content_type: str | None) -> TestResponse:
    headers = {"Authorization": f"Bearer {api.access('member')}"}
    return api.app.test_client().post("/v1/vms", data=data, content_type=content_type, headers=headers)


UNREADABLE = {
    "not json": (b'{"name": ', "application/json", 400, "malformed", "line 1, column 10"),
    "a list": (b"[]", "application/json", 400, "malformed", "must be a JSON object"),
    "not utf-8": (b'{"name": "\xff"}', "application/json", 400, "malformed", "not UTF-8 (byte 10)"),
    "not a number": (b'{"vcpus": NaN}', "application/json", 400, "malformed", "NaN is not a JSON number"),
    "too deep": (b"[" * 100_000, "application/json", 400, "malformed", "nested too deeply"),
    "a form": (b"name=web", "application/x-www-form-urlencoded", 415, "wrong-media-type", "application/json"),
    "no type": (b"{}", None, 415, "wrong-media-type", "send Content-Type: application/json"),
    "ten megabytes": (b'"' + b"x" * 10_000_000 + b'"', "application/json", 413, "too-large", "larger than 1 MiB"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_body_that_can_t_be_read_says_why(api: Api, case: str) -> None:
    data, content_type, status, code, detail = UNREADABLE[case]
    assert detail in problem(raw(api, data, content_type), status, code)["detail"]


UNKEPT = {
    "a nul": (b'{"name": "a\\u0000"}', "/name", "NUL"),
    "half a character": (b'{"name": "web", "users": [{"name": "\\ud800"}]}', "/users/0/name", "surrogate"),
    "a nul in a name": (b'{"labels": {"a\\u0000": "b"}}', "/labels/a\\x00", "NUL"),
    "deep": (b'{"labels": ' + b"[" * 900 + b'"\\u0000"' + b"]" * 900 + b"}", "/labels" + "/0" * 900, "NUL"),
}


@pytest.mark.parametrize("case", UNKEPT)
def test_a_text_that_can_t_be_kept_is_named(api: Api, case: str) -> None:
    data, pointer, detail = UNKEPT[case]
    found = problem(raw(api, data, "application/json"), 422, "invalid")["errors"]
    assert [(one["pointer"], detail in one["detail"]) for one in found] == [(pointer, True)]


def test_a_backslash_and_a_u_are_plain_text(api: Api) -> None:
    script = "#!/bin/sh\nprintf '\\u0000'\n"
    body = json.dumps({"name": "plain", "os": "debian-12", "flavor": "small", "first_boot": script}).encode()
    assert raw(api, body, "application/json").status_code == 202


def cursor(position: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


BAD_QUERIES = {
    "/v1/vms?limit=0": ("?limit", "out of range"),
    "/v1/vms?limit=many": ("?limit", "Not a valid integer"),
    "/v1/vms?sort=colour": ("?sort", "not something to sort by"),
    "/v1/vms?cursor=x": ("?cursor", "not one of ours"),
    "/v1/vms?fields=colour": ("?fields", "no field 'colour'"),
    "/v1/vms?colour=red": ("?colour", "not a field"),
    "/v1/vms?state=happy": ("?state", "Must be one of"),
    "/v1/vms?name=%00": ("?name", "NUL"),
    "/v1/events?after=yesterday": ("?after", "not the id of an event"),
    "/v1/events?after=nan/x/1": ("?after", "not the id of an event"),
    "/v1/events?after=1/x/99999999999999999999": ("?after", "not the id of an event"),
    "/v1/events?after=1/x~1~2/1": ("?after", "not the id of an event"),
    "/v1/events?after=1/x~1~2~0.y/1": ("?after", "not the id of an event"),
    "/v1/events?after=1/x~1~9999999999999999999~/1": ("?after", "not the id of an event"),
    f"/v1/events?after=1/x~1~9~{'.'.join('1' * 2002)}/1": ("?after", "not the id of an event"),
    f"/v1/vms?sort=name&cursor={cursor(['name', 5, 'x'])}": ("?cursor", "not one of ours"),
    f"/v1/vms?sort=name&cursor={cursor(['name', 'a' + chr(0), 'x'])}": ("?cursor", "not one of ours"),
    f"/v1/vms?sort=name&cursor={cursor(['state', 'a', 'x'])}": ("?cursor", "made for sort=state"),
}


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_a_wrong_query_parameter_is_named(api: Api, path: str) -> None:
    vm(api)
    pointer, detail = BAD_QUERIES[path]
    found = problem(api.ask("member", "GET", path), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer
    assert detail in found["errors"][0]["detail"]


def test_a_path_that_does_not_exist_and_a_method_that_is_not_known(api: Api) -> None:
    problem(api.ask("member", "GET", "/v1/nothing"), 404, "not-found")
    problem(api.ask("member", "GET", "/v1/vms/not-an-id"), 404, "not-found")
    answer = api.ask("member", "PUT", "/v1/vms", {})
    problem(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["Allow"]
