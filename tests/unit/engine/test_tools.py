# SPDX-License-Identifier: Apache-2.0
"""The second source: what a guest says through its hypervisor is cut to size, and compared with what was asked for."""

import pytest

from services.common.contracts.network import Bond, NetworkKind, NetworkModel, NetworkPlan, Nic
from services.common.contracts.tools import MOST_ADDRESSES, MOST_LINKS, ToolsFacts, ToolsLink, cleaned, disagreements

ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"
MODEL = NetworkModel((Nic(ONE, "n", addresses=("10.0.0.5/24",)), Nic(TWO, "m", dhcp4=True)))
NETWORKS = {"m": NetworkPlan("m", "m", NetworkKind.BRIDGE, cidr="10.1.0.0/24")}


def says(first: tuple[str, ...], second: tuple[str, ...] = ("10.1.0.9",)) -> ToolsFacts:
    return ToolsFacts(True, "web", "Debian", (ToolsLink(ONE, first), ToolsLink(TWO, second)))


@pytest.mark.parametrize("address", ["10.0.0.5", "10.0.0.5/24"])
def test_addresses_are_compared_with_or_without_their_prefix_lengths(address: str) -> None:
    assert disagreements(MODEL, says((address, "fe80::1/64")), NETWORKS) == []


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (says(("10.0.0.6/24",)), "address 10.0.0.5/24 is missing (seen: 10.0.0.6/24)"),
        (says(("10.0.0.5/25",)), "address 10.0.0.5/24 is missing (seen: 10.0.0.5/25)"),
        (says(("10.0.0.5",), ("10.2.0.9",)), "no IPv4 address by DHCP"),
        (ToolsFacts(True, links=(ToolsLink(ONE, ("10.0.0.5",)),)), f"NIC 1 ({TWO}) is not there"),
    ],
)
def test_what_is_seen_otherwise_is_said_as_of_any_report(facts: ToolsFacts, text: str) -> None:
    (found,) = disagreements(MODEL, facts, NETWORKS) or []
    assert text in found


@pytest.mark.parametrize("facts", [ToolsFacts(False), ToolsFacts(True, "web")])
def test_who_sees_nothing_disagrees_with_nothing(facts: ToolsFacts) -> None:
    assert disagreements(MODEL, facts, NETWORKS) is None


def test_of_bonds_and_vlans_it_can_not_tell() -> None:
    bonded = NetworkModel(MODEL.nics, (Bond("bond0", "active-backup", (ONE, TWO)),))
    assert disagreements(bonded, says(("10.0.0.5",)), NETWORKS) is None


def test_what_a_guest_makes_up_is_cut_to_size_and_its_order_tells_nothing() -> None:
    links = tuple(ToolsLink(f"52:54:00:00:01:{n:02X}", tuple(f"10.9.{n}.{m}" for m in range(99))) for n in range(99))
    wild = ToolsFacts(True, "w\x1b[2Jeb\n" * 99, "\0", (*links, ToolsLink("no-mac", ("x", "10.0.0.1"))))
    tame = cleaned(wild)
    assert (len(tame.links), {len(link.addresses) for link in tame.links}) == (MOST_LINKS, {MOST_ADDRESSES})
    assert tame.hostname.isprintable()
    assert len(tame.hostname) <= 255
    assert tame.os == ""
    assert cleaned(ToolsFacts(True, wild.hostname, links=wild.links[::-1])) == tame == cleaned(tame)
    assert cleaned(ToolsFacts(False, "web")) == ToolsFacts(False)
    strange = ToolsFacts(True, links=(ToolsLink(ONE.upper(), ("10.0.0.5/99", "::1%eth0", "10.0.0.7")),))
    assert cleaned(strange).links[0].mac == ONE
