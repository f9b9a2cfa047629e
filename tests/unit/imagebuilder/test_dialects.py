# SPDX-License-Identifier: Apache-2.0
"""Network dialects: golden files, and reading back what was written with a parser that knows nothing of it."""

import os
from ipaddress import ip_interface, ip_network
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.common.catalog import systems, unsupported_problems
from services.common.contracts.errors import Invalid
from services.common.contracts.network import NetworkModel, Nic, Route
from services.imagebuilder.dialects import DIALECTS
from tests.support.arbitrary import SEED
from tests.support.arbitrary_links import a_network
from tests.support.imaging import COLUMNS, a_nic

GOLDEN = Path(__file__).parents[2] / "golden" / "imagebuilder"


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_is_written_as_its_golden_file_says(dialect: str, column: str) -> None:
    try:
        written = DIALECTS[dialect](COLUMNS[column], "web-1").decode()
    except Invalid as refused:
        written = "".join(f"422 {p.pointer}: {p.detail}; {p.fix}\n" for p in refused.problems)
    golden = GOLDEN / dialect / f"{column}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(written)
    assert written == golden.read_text()


def assert_cloud_init_says(model: NetworkModel) -> None:
    """Every link with all that the model says of it, and no other link."""
    read = yaml.safe_load(DIALECTS["cloud_init_v2"](model, "web-1"))
    cards = read["ethernets"]
    assert [link["match"]["macaddress"] for link in cards.values()] == [nic.mac.lower() for nic in model.nics]
    assert [link["set-name"] for link in cards.values()] == list(cards)
    links = {**cards, **read.get("bonds", {}), **read.get("vlans", {})}
    for (_, name, nic), (key, link) in zip(model.links(), links.items(), strict=True):
        assert name == key
        assert [ip_interface(a) for a in link.get("addresses", [])] == [ip_interface(a) for a in nic.addresses]
        gateways = [r["via"] for r in link.get("routes", []) if r["to"] in ("0.0.0.0/0", "::/0") and "metric" not in r]
        assert gateways == [g for g in (nic.gateway4, nic.gateway6) if g]
        plain = [(r.to, r.via, r.metric) for r in nic.routes]
        assert [(r["to"], r["via"], r.get("metric")) for r in link.get("routes", [])][len(gateways) :] == plain
        asked = {"addresses": list(nic.dns), "search": list(nic.search)}
        assert link.get("nameservers", {}) == {key: value for key, value in asked.items() if value}
        assert (link.get("dhcp4", False), link.get("dhcp6", False)) == (nic.dhcp4, nic.dhcp6)
        assert link.get("accept-ra", False) == (nic.accept_ra or nic.dhcp6)
        assert link.get("mtu", 0) == nic.mtu
        assert ("dhcp4-overrides" in link) == (nic.dhcp4 and not nic.default_route)
    assert_stacked(model, links)


def assert_stacked(model: NetworkModel, links: dict[str, Any]) -> None:
    """Bonds have their cards, VLANs their number and what they are on."""
    for bond in model.bonds:
        cards = {links[name]["match"]["macaddress"] for name in links[bond.name]["interfaces"]}
        assert cards == {mac.lower() for mac in bond.members}
        assert links[bond.name]["parameters"]["mode"] == bond.mode
    for vlan in model.vlans:
        parent = links[links[vlan.name]["link"]]
        assert links[vlan.name]["id"] == vlan.id
        assert vlan.over.lower() in (links[vlan.name]["link"], parent.get("match", {}).get("macaddress"))


@pytest.mark.parametrize("column", COLUMNS)
def test_cloud_init_reads_back_what_was_asked(column: str) -> None:
    assert_cloud_init_says(COLUMNS[column])


def test_any_network_is_what_cloud_init_reads_back() -> None:
    written = 0
    for number in range(800):
        model = a_network(Random(f"{SEED}/cloud-init/{number}"))
        try:
            DIALECTS["cloud_init_v2"](model, "web-1")
        except Invalid:
            continue
        assert_cloud_init_says(model)
        written += 1
    assert written > 500


def test_the_word_default_is_never_written_for_cloud_init() -> None:
    every = b"".join(DIALECTS["cloud_init_v2"](model, "h") for model in COLUMNS.values())
    assert b"to: default" not in every
    assert b"gateway" not in every


REFUSED = [
    ("cloud_init_v2", a_nic(accept_ra=True, default_route=False), "/networks/0/default_route"),
    ("cloud_init_v2", a_nic(dhcp4=True, name="no good"), "/networks/0/name"),
    ("cloud_init_v2", Nic(mac="nonsense", network="n"), "/networks/0/mac"),
    ("mini", a_nic(dhcp6=True), "/networks/0/dhcp6"),
    ("mini", a_nic(dhcp4=True, search=("a b",)), "/networks/0/search/0"),
    ("mini", a_nic(addresses=("192.0.2.10/24",), gateway4="10.0.0.1"), "/networks/0/gateway"),
]


@pytest.mark.parametrize("dialect, nic, pointer", REFUSED)
def test_what_a_dialect_cant_say_is_refused_by_field(dialect: str, nic: Nic, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        DIALECTS[dialect](NetworkModel((nic,)), "h")
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert all(problem.fix for problem in refused.value.problems)


def test_two_links_may_not_share_a_name() -> None:
    with pytest.raises(Invalid) as refused:
        DIALECTS["mini"](NetworkModel((a_nic(1, name="eth1", dhcp4=True), a_nic(2, dhcp4=True))), "h")
    assert refused.value.problems[0].pointer == "/networks/1/name"


def test_what_a_row_declares_unsupported_is_known_before_anything_is_rendered() -> None:
    problems = unsupported_problems(systems()["mini"], NetworkModel((a_nic(dhcp4=True), a_nic(2, dhcp6=True))))
    assert [problem.pointer for problem in problems] == ["/networks/1/dhcp6"]


HOSTILE = st.text(max_size=30) | st.sampled_from(
    [
        "eth0\ndns 6.6.6.6",
        "$(reboot)",
        "`id`",
        "a: b",
        "x; reboot",
        "'\"",
        "eth0 up",
        "../x",
        "\x00",
        "\u2028",
        "{{ 7*7 }}",
    ]
)
WORDS = {"hostname", "link", "mtu", "ra", "up", "address", "route", "dhcp", "dns", "search"}


@given(name=HOSTILE, hostname=HOSTILE, search=HOSTILE, dns=HOSTILE, address=HOSTILE, to=HOSTILE)
def test_no_value_adds_a_word_or_a_line_to_the_mini_file(
    name: str, hostname: str, search: str, dns: str, address: str, to: str
) -> None:
    good = a_nic(addresses=("192.0.2.10/24",), name="lan0")
    tries = [
        a_nic(dhcp4=True, name=name),
        a_nic(dhcp4=True, search=(search,)),
        a_nic(dhcp4=True, dns=(dns,)),
        a_nic(addresses=(address,)),
        a_nic(addresses=("192.0.2.10/24",), routes=(Route(to, "192.0.2.1"),)),
        Nic(mac=name, network="n", dhcp4=True),
    ]
    for nic in [*tries, good]:
        try:
            lines = DIALECTS["mini"](NetworkModel((nic,)), hostname).decode("ascii").splitlines()
        except Invalid:
            continue
        expected = 2 + (3 if nic.dhcp4 else 2) + len(nic.addresses) + len(nic.routes) + len(nic.dns) + len(nic.search)
        assert len(lines) == expected
        assert {line.split(" ")[0] for line in lines} <= WORDS
        assert all(part for line in lines for part in line.split(" "))


@given(
    st.ip_addresses(v=4).filter(lambda a: not (a.is_multicast or a.is_loopback or a.is_unspecified)),
    st.integers(1, 31),
)
def test_any_address_means_the_same_when_it_is_read_back(address: object, prefix: int) -> None:
    text = f"{address}/{prefix}"
    network = ip_network(text, strict=False)
    if prefix < 31 and str(address) in (str(network.network_address), str(network.broadcast_address)):
        return
    model = NetworkModel((a_nic(addresses=(text,)),))
    link = yaml.safe_load(DIALECTS["cloud_init_v2"](model, "h"))["ethernets"]["eth0"]
    assert ip_interface(link["addresses"][0]) == ip_interface(text)
