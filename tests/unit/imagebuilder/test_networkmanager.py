# SPDX-License-Identifier: Apache-2.0
"""NetworkManager's keyfiles, read back by configparser, which knows nothing of them, and by NetworkManager's nmcli."""

import os
import subprocess
from configparser import ConfigParser
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.contracts.errors import Invalid
from services.common.contracts.network import Addressing, Bond, NetworkModel, Nic, Route, Vlan
from services.imagebuilder.dialects import networkmanager
from tests.support.arbitrary import SEED
from tests.support.arbitrary_links import a_network
from tests.support.imaging import COLUMNS, MAC, a_nic
from tests.support.unpacked import unpacked

DEFAULTS = ("0.0.0.0/0", "::/0")


def read(text: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True)
    parser.read_string(text)
    return parser


def profiles(model: NetworkModel) -> dict[str, ConfigParser]:
    found = {name: read(text) for name, text in networkmanager.keyfiles(model).items()}
    assert all(name.endswith(".nmconnection") for name in found)
    return {name.removesuffix(".nmconnection"): profile for name, profile in found.items()}


def numbered(profile: ConfigParser, family: str, key: str) -> list[str]:
    section = profile[family]
    count = sum(1 for name in section if name.startswith(key) and name[len(key) :].isdigit())
    return [section[f"{key}{n}"] for n in range(1, count + 1)]


def listed(profile: ConfigParser, key: str) -> list[str]:
    texts = [profile[family].get(key, "") for family in ("ipv4", "ipv6")]
    return [part for text in texts for part in text.split(";") if part]


def assert_says(profile: ConfigParser, link: Addressing) -> None:
    """Addresses, routes, servers, sizes: all of the link, and nothing else."""
    addresses = [ip_interface(text) for family in ("ipv4", "ipv6") for text in numbered(profile, family, "address")]
    assert sorted(map(str, addresses)) == sorted(str(ip_interface(text)) for text in link.addresses)
    routes = set()
    for family, default in zip(("ipv4", "ipv6"), DEFAULTS, strict=True):
        routes |= {tuple(text.split(",")) for text in numbered(profile, family, "route")}
        if "gateway" in profile[family]:
            routes.add((default, profile[family]["gateway"]))
    asked = {(str(ip_network(r.to)), str(ip_address(r.via)), *metric(r)) for r in link.routes}
    asked |= {(to, via) for to, via in zip(DEFAULTS, (link.gateway4, link.gateway6), strict=True) if via}
    assert routes == asked
    assert sorted(listed(profile, "dns")) == sorted(link.dns)
    assert listed(profile, "dns-search") == list(link.search)
    assert profile.get("ethernet", "mtu", fallback="0") == str(link.mtu)
    assert (profile["ipv4"]["method"] == "auto") == link.dhcp4
    assert (profile["ipv6"]["method"] == "auto") == (link.dhcp6 or link.accept_ra)
    for family in ("ipv4", "ipv6"):
        never = profile[family]["method"] == "auto" and not link.default_route
        assert profile[family].get("never-default") == ("true" if never else None)


def metric(route: Route) -> tuple[str, ...]:
    return () if route.metric is None else (str(route.metric),)


def assert_all_say(model: NetworkModel) -> None:
    """Each link of the model has a profile, which says what the model says."""
    found = profiles(model)
    assert list(found) == [name for _, name, _ in model.links()]
    uuids = {name: profile["connection"]["uuid"] for name, profile in found.items()}
    assert len(set(uuids.values())) == len(uuids)
    for _, name, link in model.links():
        profile = found[name]
        if isinstance(link, Nic):
            assert profile["connection"]["type"] == "ethernet"
            assert profile["ethernet"]["mac-address"] == link.mac.lower()
            if bond := model.bond_of(link):
                assert profile["connection"]["master"] == uuids[bond.name]
                assert not profile.has_section("ipv4")
                continue
        if isinstance(link, Bond):
            assert (profile["connection"]["type"], profile["bond"]["mode"]) == ("bond", link.mode)
            assert profile["connection"]["interface-name"] == link.name
        if isinstance(link, Vlan):
            parent = model.parent(link)
            assert parent is not None
            assert profile["connection"]["interface-name"] == link.name
            assert (profile["vlan"]["id"], profile["vlan"]["parent"]) == (str(link.id), uuids[model.name_of(parent)])
        assert_says(profile, link)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_profile_says_what_the_model_says_of_its_link(column: str) -> None:
    assert_all_say(COLUMNS[column])


def test_profiles_of_any_network_say_what_the_model_says() -> None:
    written = 0
    for number in range(800):
        model = a_network(Random(f"{SEED}/keyfiles/{number}"))
        try:
            networkmanager.keyfiles(model)
        except Invalid:
            continue
        assert_all_say(model)
        written += 1
    assert written > 500


def test_a_card_gets_the_name_it_was_given_and_no_other() -> None:
    files = networkmanager.link_files(COLUMNS["N7-three-mixed"])
    assert list(files) == ["70-inner0.link"]
    assert dict(read(files["70-inner0.link"])["Match"]) == {"macaddress": MAC(3), "path": "*"}
    assert read(files["70-inner0.link"])["Link"]["Name"] == "inner0"


def test_a_gateway_stays_the_best_way_out_beside_another_default_route() -> None:
    nic = a_nic(
        addresses=("192.0.2.10/24",), gateway4="192.0.2.1", routes=(Route("0.0.0.0/0", "192.0.2.2", 50),), name="lan0"
    )
    profile = profiles(NetworkModel((nic,)))["lan0"]
    assert "gateway" not in profile["ipv4"]
    assert numbered(profile, "ipv4", "route") == ["0.0.0.0/0,192.0.2.1,1", "0.0.0.0/0,192.0.2.2,50"]


def test_a_router_s_own_address_serves_a_link_that_has_learnt_its_addresses() -> None:
    profile = profiles(NetworkModel((a_nic(accept_ra=True, gateway6="fe80::1"),)))["eth0"]
    assert numbered(profile, "ipv6", "route") == ["::/0,fe80::1"]


STATIC = a_nic(addresses=("192.0.2.10/24",))
REFUSED = [
    (replace(STATIC, name="eth1"), "/networks/0/name"),
    (replace(STATIC, dns=("2001:db8::53",)), "/networks/0/dns/0"),
    (replace(STATIC, gateway6="fe80::1"), "/networks/0/gateway"),
    (a_nic(dhcp4=True, routes=(Route("2001:db8::/48", "fe80::1"),)), "/networks/0/routes/0"),
    (a_nic(search=("example.org",)), "/networks/0/search"),
    (replace(STATIC, dhcp4=True, gateway4="192.0.2.1", default_route=False), "/networks/0/default_route"),
    (replace(STATIC, gateway4="192.0.2.1", routes=(Route("0.0.0.0/0", "192.0.2.2", 1),)), "/networks/0/gateway"),
]


@pytest.mark.parametrize("nic, pointer", REFUSED)
def test_what_networkmanager_cant_have_is_refused_by_field(nic: Nic, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        networkmanager.keyfiles(NetworkModel((nic,)))
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert all(problem.fix for problem in refused.value.problems)


HOSTILE = st.text(max_size=30) | st.sampled_from(
    [
        "lan0\n[connection]",
        "KEYFILE",
        "a\nKEYFILE\nreboot",
        "%end",
        "$(id)",
        "../x",
        "\x00",
        "\u202ex",
        "a;b",
        "x" * 65536,
    ]
)


@given(name=HOSTILE, domain=HOSTILE, address=HOSTILE, mac=HOSTILE)
def test_no_string_adds_a_key_a_section_or_a_file(name: str, domain: str, address: str, mac: str) -> None:
    tries: list[dict[str, Any]] = [{"name": name or "lan0"}, {"search": (domain,)}, {"dns": (address,)}, {"mac": mac}]
    for changes in [*tries, {"addresses": (address,)}]:
        nic = replace(a_nic(dhcp4=True, name="lan0"), **changes)
        try:
            written = networkmanager.render(NetworkModel((nic,)), "h").decode("ascii")
        except Invalid:
            continue
        ((key, profile),) = profiles(NetworkModel((nic,))).items()
        assert key == nic.name
        assert_says(profile, nic)
        assert written.count("\nKEYFILE\n") == written.count("<<'KEYFILE'\n") == 1


@pytest.fixture(scope="module")
def nm_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("nm"), "libnm0", "network-manager")


def as_networkmanager_reads(root: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """The profile as nmcli writes it again, once it has taken it; what it does not understand is gone then."""
    folders = {str(path.parent) for path in root.rglob("libnm.so*")}
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(sorted(folders))}
    command = [str(root / "usr/bin/nmcli"), "--offline", "connection", "modify", "connection.id", "x"]
    return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)


JUDGED = {
    **COLUMNS,
    "all at once": NetworkModel(
        (
            a_nic(
                1,
                dhcp4=True,
                accept_ra=True,
                default_route=False,
                addresses=("192.0.2.10/24", "2001:db8::10/64"),
                routes=(Route("203.0.113.0/24", "192.0.2.2", 0), Route("2001:db8:9::/48", "2001:db8::2", 7)),
                dns=("192.0.2.53", "2001:db8::53"),
                search=("example.org",),
                mtu=1400,
                name="lan0",
            ),
            a_nic(2, dhcp6=True, dns=("2001:db8::53",), search=("example.org",)),
            a_nic(3, accept_ra=True, gateway6="fe80::1"),
        )
    ),
}


@pytest.mark.parametrize("column", JUDGED)
def test_networkmanager_itself_takes_every_profile_and_means_the_same(column: str, nm_root: Path) -> None:
    model = JUDGED[column]
    for (_, _, link), text in zip(model.links(), networkmanager.keyfiles(model).values(), strict=True):
        done = as_networkmanager_reads(nm_root, text)
        assert (done.returncode, done.stderr) == (0, ""), text
        profile, ours = read(done.stdout), read(text)
        for section in ("connection", "ethernet", "bond", "vlan"):
            wanted = {key: ours[section][key] for key in ours.options(section)} if ours.has_section(section) else {}
            wanted = {key: value for key, value in wanted.items() if key not in ("id", "autoconnect")}
            assert wanted.items() <= dict(profile[section] if wanted else {}).items()
        if profile.has_section("ipv4"):
            for family in ("ipv4", "ipv6"):
                # It writes a gateway behind the first address.
                address, _, gateway = profile[family].get("address1", "").partition(",")
                if gateway:
                    profile[family].update({"address1": address, "gateway": gateway})
            assert_says(profile, link)


def test_networkmanager_does_refuse_what_it_can_t_read(nm_root: Path) -> None:
    text = networkmanager.keyfiles(COLUMNS["N2-one-static-v4"])["eth0.nmconnection"]
    assert as_networkmanager_reads(nm_root, text.replace("method=manual", "method=manul")).returncode
