# SPDX-License-Identifier: Apache-2.0
"""What links are refused, with the field named, and what counts as seen from inside."""

import pytest

from services.common.contracts.network import Bond, NetworkModel, NetworkPlan, Nic, Route, Vlan
from services.common.contracts.network_rules import network_problems
from services.common.contracts.observed import mismatches

A, B = "52:54:00:00:00:01", "52:54:00:00:00:02"

WRONG = {
    "not an address": (Nic(A, "n", addresses=("x/24",)), "/networks/0/addresses/0"),
    "no prefix": (Nic(A, "n", addresses=("192.0.2.1",)), "/networks/0/addresses/0"),
    "network itself": (Nic(A, "n", addresses=("192.0.2.0/24",)), "/networks/0/addresses/0"),
    "broadcast": (Nic(A, "n", addresses=("192.0.2.255/24",)), "/networks/0/addresses/0"),
    "loopback": (Nic(A, "n", addresses=("127.0.0.1/8",)), "/networks/0/addresses/0"),
    "gateway off link": (Nic(A, "n", addresses=("192.0.2.5/24",), gateway4="198.51.100.1"), "/networks/0/gateway"),
    "gateway is itself": (Nic(A, "n", addresses=("192.0.2.5/24",), gateway4="192.0.2.5"), "/networks/0/gateway"),
    "route off link": (
        Nic(A, "n", addresses=("192.0.2.5/24",), routes=(Route("10.0.0.0/8", "10.0.0.1"),)),
        "/networks/0/routes/0/via",
    ),
    "route target": (
        Nic(A, "n", addresses=("192.0.2.5/24",), routes=(Route("10.0.0.1/8", "192.0.2.1"),)),
        "/networks/0/routes/0/to",
    ),
    "dns": (Nic(A, "n", dhcp4=True, dns=("ns1",)), "/networks/0/dns/0"),
    "scoped address": (Nic(A, "n", addresses=("fe80::1%x\nb/64",)), "/networks/0/addresses/0"),
    "scoped server": (Nic(A, "n", dhcp4=True, dns=("fe80::1%x",)), "/networks/0/dns/0"),
    "scoped target": (
        Nic(A, "n", accept_ra=True, routes=(Route("fe80::%x/64", "fe80::1"),)),
        "/networks/0/routes/0/to",
    ),
    "mtu": (Nic(A, "n", dhcp4=True, mtu=100), "/networks/0/mtu"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_wrong_link_is_refused_and_its_field_named(case: str) -> None:
    nic, pointer = WRONG[case]
    assert [p.pointer for p in network_problems(NetworkModel((nic,)))] == [pointer]


def test_duplicates_and_second_default_routes_are_refused() -> None:
    one = Nic(A, "n", addresses=("192.0.2.5/24",), gateway4="192.0.2.1")
    two = Nic(A, "n", addresses=("192.0.2.5/24",), gateway4="192.0.2.1")
    assert {p.pointer for p in network_problems(NetworkModel((one, two)))} == {
        "/networks/1/mac",
        "/networks/1/addresses/0",
        "/networks/1/gateway",
    }


def test_default_routes_of_different_metric_are_fine() -> None:
    one = Nic(A, "n", addresses=("192.0.2.5/24",), routes=(Route("0.0.0.0/0", "192.0.2.1", 100),))
    two = Nic(B, "n", addresses=("198.51.100.5/24",), routes=(Route("0.0.0.0/0", "198.51.100.1", 200),))
    assert network_problems(NetworkModel((one, two))) == []


PLAN = NetworkPlan("n", "default", "nat", cidr="10.77.0.0/24")
ASKED = NetworkModel((Nic(A, "n", dhcp4=True), Nic(B, "m", addresses=("10.78.0.5/24",))))


def report(**more: object) -> dict[str, object]:
    links = [
        {"mac": A.upper(), "addresses": ["10.77.0.120/24", "fe80::1/64"]},
        {"mac": B, "addresses": ["10.78.0.5/24"]},
    ]
    return {"interfaces": links, "routes": [], "dns": [], **more}


def test_what_was_asked_for_is_recognised_by_mac() -> None:
    assert mismatches(ASKED, report(), {"n": PLAN}) == []


def test_a_missing_link_a_missing_address_and_a_foreign_lease_are_named() -> None:
    seen = report(interfaces=[{"mac": A, "addresses": ["192.168.1.5/24"]}])
    found = mismatches(ASKED, seen, {"n": PLAN})
    assert len(found) == 2
    assert "no IPv4 address by DHCP" in found[0]
    assert f"NIC 1 ({B}) is not there" in found[1]


def test_gateway_and_dns_are_checked_but_a_local_resolver_hides_servers() -> None:
    nic = Nic(B, "m", addresses=("10.78.0.5/24",), gateway4="10.78.0.1", dns=("10.78.0.2",))
    good = report(routes=[{"to": "default", "via": "10.78.0.1"}], dns=["127.0.0.53"])
    assert mismatches(NetworkModel((nic,)), good, {}) == []
    assert len(mismatches(NetworkModel((nic,)), report(dns=["9.9.9.9"]), {})) == 2


STACKED = NetworkModel(
    (Nic(A, "n"), Nic(B, "n")),
    bonds=(Bond("bond0", (A, B), dhcp4=True),),
    vlans=(Vlan("vlan20", 20, "bond0", addresses=("192.0.2.5/24",), gateway4="192.0.2.1"),),
)


def stacked_report(**changes: list[str]) -> dict[str, object]:
    """The cards and all that is on them have one MAC, as the kernel does it."""
    addresses = {"eth0": [], "eth1": [], "bond0": ["10.77.0.120/24"], "vlan20": ["192.0.2.5/24"], **changes}
    links = [{"name": name, "mac": A, "addresses": found} for name, found in addresses.items()]
    return {"interfaces": links, "routes": [{"to": "default", "via": "192.0.2.1"}], "dns": []}


def test_a_bond_and_a_vlan_are_recognised_by_name() -> None:
    assert mismatches(STACKED, stacked_report(), {"n": PLAN}) == []


def test_what_a_bond_or_a_vlan_lacks_is_named() -> None:
    found = mismatches(STACKED, stacked_report(bond0=["192.168.1.5/24"], vlan20=[]), {"n": PLAN})
    assert found[0].startswith("bond bond0: no IPv4 address by DHCP")
    assert found[1].startswith("VLAN 20 (vlan20): address 192.0.2.5/24 is missing")
    links = [{"name": "eth0", "mac": A, "addresses": ["10.77.0.120/24", "192.0.2.5/24"]}]
    assert mismatches(STACKED, {"interfaces": links}, {})[:2] == [
        "bond bond0 is not there",
        "VLAN 20 (vlan20) is not there",
    ]


def test_a_card_under_a_vlan_is_told_from_it() -> None:
    model = NetworkModel(
        (Nic(A, "n", addresses=("10.77.0.5/24",)),), vlans=(Vlan("vlan20", 20, A, addresses=("192.0.2.5/24",)),)
    )
    links = [
        {"name": "vlan20", "mac": A, "addresses": ["192.0.2.5/24"]},
        {"name": "enp1s0", "mac": A, "addresses": ["10.77.0.5/24"]},
    ]
    assert mismatches(model, {"interfaces": links}, {"n": PLAN}) == []
    assert len(mismatches(model, {"interfaces": links[:1]}, {"n": PLAN})) == 1


@pytest.mark.parametrize("field", ["dhcp6", "accept_ra"])
def test_an_ipv6_address_that_was_to_be_given_is_missed(field: str) -> None:
    model = NetworkModel((Nic(A, "n", dhcp6=field == "dhcp6", accept_ra=field == "accept_ra"),))
    for addresses, wrong in ((["fe80::1/64", "192.0.2.1/24"], 1), (["2001:db8::5/64"], 0)):
        links = [{"name": "eth0", "mac": A, "addresses": addresses}]
        assert len(mismatches(model, {"interfaces": links}, {})) == wrong
