# SPDX-License-Identifier: Apache-2.0
"""What Virtomize's clients send, understood: every spelling of theirs, and every refusal in a sentence."""

from dataclasses import replace
from typing import Any

import pytest

from services.api.uii import words
from services.api.uii.offers import chosen, offers, parts_of
from services.api.uii.refusing import compatible, ours
from services.api.uii.wishes import LOGIN, wish
from services.common.catalog import systems
from services.common.catalog.entries import MasterPlan
from services.common.contracts.errors import Problem
from services.common.contracts.vm import Secrets, VmSpec

ROW = systems()["debian-12-image"]
DHCP = {"dhcp": True}
STATIC = {"dhcp": False, "ipnet": "192.168.0.200/16", "gateway": "192.168.0.1", "dns": ["192.168.0.53"]}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIo6QJpLo1lGUcHNmjGPyGRuVJvH7/iPXfsX2bq1VJdV me@desk"


def wished(**more: Any) -> tuple[VmSpec, Secrets, list[Problem]]:
    body = {"dist": "debian", "version": "12", "hostname": "host-1", "networks": [DHCP], **more}
    return wish(body, ROW, lambda password: f"$6$salt${password[::-1]}")


def spec(**more: Any) -> VmSpec:
    found, _, problems = wished(**more)
    assert not problems
    return found


def wrong(**more: Any) -> dict[str, str]:
    return {problem.pointer: problem.detail for problem in wished(**more)[2]}


def test_the_least_a_client_sends_is_enough() -> None:
    found, secrets, problems = wished()
    assert not problems
    assert (found.hostname, found.os, found.locale, found.keyboard) == (
        "host-1",
        "debian-12-image",
        "en_US.UTF-8",
        "us",
    )
    assert (found.timezone, found.users, found.packages) == ("Etc/UTC", (), ())
    assert secrets == Secrets()
    (nic,) = found.nics
    assert (nic.mac, nic.dhcp4, nic.addresses) == ("", True, ())


# Rule 3: null, absent and "" are one.
def test_everything_optional_may_be_null_absent_or_empty() -> None:
    names = ("locale", "keyboard", "password", "timezone", "arch")
    lists: tuple[str, ...] = ("sshkeys", "packages")
    nothing = spec()
    assert spec(**dict.fromkeys((*names, *lists, "sshpasswordauth"))) == nothing
    assert spec(**dict.fromkeys(names, ""), **{name: [] for name in lists}) == nothing


def test_a_network_of_the_net_client_with_empty_fields_beside_dhcp_is_plain_dhcp() -> None:
    net = {"dhcp": True, "domain": "", "dns": [], "ipnet": "", "gateway": "", "nointernet": False, "mac": None}
    assert spec(networks=[net]).nics == spec().nics


@pytest.mark.parametrize("dns", [["192.0.2.1", "192.0.2.2"], "192.0.2.1, 192.0.2.2", "192.0.2.1 192.0.2.2"])
def test_name_servers_are_a_list_or_a_text(dns: Any) -> None:
    assert spec(networks=[{**STATIC, "dns": dns}]).nics[0].dns == ("192.0.2.1", "192.0.2.2")


def test_a_static_network_is_all_there() -> None:
    (nic,) = spec(networks=[{**STATIC, "mac": "52:54:00:AB:00:01", "domain": "example.org"}]).nics
    assert (nic.mac, nic.addresses, nic.gateway4) == ("52:54:00:ab:00:01", ("192.168.0.200/16",), "192.168.0.1")
    assert (nic.dns, nic.search, nic.default_route) == (("192.168.0.53",), ("example.org",), True)


def test_a_network_without_internet_gives_no_default_route() -> None:
    inner = {"mac": "52:54:00:00:00:02", "ipnet": "10.0.0.5/24", "gateway": "10.0.0.1", "nointernet": True}
    outer, found = spec(networks=[{"mac": "52:54:00:00:00:01", **DHCP}, inner]).nics
    assert (outer.default_route, found.default_route, found.gateway4) == (True, False, "")
    leased = {"mac": "52:54:00:00:00:02", "dhcp": True, "nointernet": True}
    assert spec(networks=[{"mac": "52:54:00:00:00:01", **DHCP}, leased]).nics[1].default_route is False


# Rule 9
@pytest.mark.parametrize("arch", ["x86_64", "amd64", "64", "", "X86_64"])
def test_every_spelling_of_64_bits_is_known(arch: str) -> None:
    offer, problems = chosen(offers([ROW], ()), "debian", "12", arch)
    assert (offer is not None, problems) == (True, [])


@pytest.mark.parametrize("arch", ["i386", "i686", "32"])
def test_every_spelling_of_32_bits_is_known_and_refused_as_what_it_is(arch: str) -> None:
    offer, problems = chosen(offers([ROW], ()), "debian", "12", arch)
    assert offer is None
    assert [(p.pointer, p.fix) for p in problems] == [("/arch", "give x86_64, or leave it out")]
    assert "32-bit" in problems[0].detail


def test_another_architecture_is_refused_by_name() -> None:
    assert "'sparc'" in chosen(offers([ROW], ()), "debian", "12", "sparc")[1][0].detail


# Rule 10
@pytest.mark.parametrize("given", ["$6$rounds=5000$salt$abc./0", "$y$j9T$salt$hash", "$2b$12$abcdefghijklmnop"])
def test_a_hash_is_kept_as_it_is(given: str) -> None:
    found, secrets, problems = wished(password=given)
    assert not problems
    assert secrets.password_hashes == {"debian": given}
    assert found.users[0].name == "debian"


def test_a_password_in_the_clear_is_hashed_and_is_nowhere_else() -> None:
    found, secrets, problems = wished(password="virtomize")
    assert not problems
    assert secrets.password_hashes == {"debian": "$6$salt$ezimotriv"}
    assert "virtomize" not in repr(found)


def test_where_a_row_names_no_user_the_login_is_ours() -> None:
    body = {"hostname": "a", "networks": [DHCP], "sshkeys": [KEY]}
    found, _, problems = wish(body, replace(ROW, default_user=""), str)
    assert not problems
    assert [(user.name, user.ssh_keys) for user in found.users] == [(LOGIN, (KEY,))]


@pytest.mark.parametrize("auth, good", [(True, True), (False, False), (None, False)])
def test_a_password_is_good_for_ssh_only_where_that_was_asked_for(auth: bool | None, good: bool) -> None:
    assert spec(password="virtomize", sshpasswordauth=auth).ssh_passwords is good


# Rule 11
@pytest.mark.parametrize(
    "given, meant",
    [("", "en_US"), ("en_US", "en_US"), ("en-US", "en_US"), ("de-DE", "de_DE"), ("de", "de_DE"), ("sv", "sv_SE"),
     ("pt-BR", "pt_BR"), ("zh-Hans-CN", "zh_CN"), ("en_US.UTF-8", "en_US"), ("EN-us", "en_US")],
)  # fmt: skip
def test_locales_of_every_client_are_one(given: str, meant: str) -> None:
    assert spec(locale=given).locale == f"{meant}.UTF-8"


@pytest.mark.parametrize(
    "given, meant",
    [("", "us"), ("en-US", "us"), ("en_US", "us"), ("us", "us"), ("de-DE", "de"), ("de", "de"), ("de-CH", "ch"),
     ("en-GB", "gb"), ("gb", "gb"), ("sv-SE", "se"), ("sv", "se"), ("ja-JP", "jp"), ("es-MX", "latam"), ("es-ES", "es"),
     ("pt-BR", "br"), ("fr-CA", "ca"), ("latam", "latam"), ("en", "us"), ("uk", "ua")],
)  # fmt: skip
def test_keyboards_are_layouts_of_xkb(given: str, meant: str) -> None:
    assert words.keyboard(given) == meant


# Rule 13
@pytest.mark.parametrize("networks", [None, [], [{"dhcp": True, "nointernet": True}]])
def test_some_network_must_have_the_internet(networks: Any) -> None:
    assert wrong(networks=networks)["/networks"] == "none of your networks has a valid internet connection"


def test_of_several_networks_each_needs_its_mac() -> None:
    assert set(wrong(networks=[DHCP, {**DHCP, "nointernet": True}])) == {"/networks/0/mac", "/networks/1/mac"}


@pytest.mark.parametrize(
    "change, pointer",
    [
        ({"ipnet": "127.0.0.1/8", "gateway": "127.0.0.2"}, "/networks/0/ipnet"),
        ({"ipnet": "224.0.0.1/8", "gateway": "224.0.0.2"}, "/networks/0/ipnet"),
        ({"ipnet": "192.168.0.200"}, "/networks/0/ipnet"),
        ({"ipnet": "nonsense"}, "/networks/0/ipnet"),
        ({"ipnet": ""}, "/networks/0/ipnet"),
        ({"gateway": ""}, "/networks/0/gateway"),
        ({"gateway": "10.0.0.1"}, "/networks/0/gateway"),
        ({"gateway": "nonsense"}, "/networks/0/gateway"),
        ({"dhcp": True}, "/networks/0/ipnet"),
        ({"mac": "nonsense"}, "/networks/0/mac"),
        ({"mac": "01:00:5e:00:00:01"}, "/networks/0/mac"),
        ({"dns": ["nonsense"]}, "/networks/0/dns/0"),
        ({"domain": "no good"}, "/networks/0/domain"),
        ({"dhcp": "yes"}, "/networks/0/dhcp"),
        ({"vlan": 5}, "/networks/0/vlan"),
    ],
)
def test_a_network_that_cant_work_is_refused_by_field(change: dict[str, Any], pointer: str) -> None:
    assert pointer in wrong(networks=[{**STATIC, **change}])


@pytest.mark.parametrize(
    "field, value",
    [
        ("hostname", ""), ("hostname", "a" * 500_000 + "!"), ("networks", [DHCP] * 17), ("packages", ["a"] * 257),
        ("sshkeys", [KEY] * 33), ("hostname", "-a"), ("hostname", "a_b"), ("hostname", "a.b"), ("hostname", "a" * 64),
        ("hostname", 'a"\n'), ("locale", "english"), ("locale", "xx"), ("keyboard", "!"), ("timezone", "Mars/Base"),
        ("packages", ["a b"]), ("packages", [1]), ("packages", {"a": 1}),
        ("sshkeys", ["nonsense"]), ("password", "short"),
        ("password", "line\nbreak!"), ("networks", "dhcp"), ("networks", [1]), ("disk", "sda"),
        ("sshpasswordauth", "yes"),
    ],
)  # fmt: skip
def test_what_cant_be_is_refused_by_field(field: str, value: Any) -> None:
    assert f"/{field}" in wrong(**{field: value})


def test_a_wrong_timezone_is_told_whether_or_not_the_locale_is_wrong_too() -> None:
    assert set(wrong(timezone="Mars/Base")) == {"/timezone"}
    assert set(wrong(timezone="Mars/Base", locale="!")) == {"/timezone", "/locale"}


def test_a_hostname_in_capitals_is_one_in_small_letters() -> None:
    assert spec(hostname="Web-1").hostname == "web-1"


def test_the_list_has_what_boots_by_itself_and_can_be_built_now() -> None:
    every = list(systems().values())
    without = offers(every, ())
    assert [offer.shown() for offer in without if offer.entry is ROW] == [
        {"dist": "debian", "version": "12", "arch": "x86_64", "displayname": ROW.display_name}
    ]
    assert not [offer for offer in without if offer.entry.source == "media"]
    row = replace(ROW, name="rocky-9-installer", source="media")
    assert [(o.dist, o.version) for o in offers([row], {"rocky-9-installer"})] == [("rocky", "9")]
    assert offers([row], ()) == []


def test_a_system_whose_answers_come_on_a_disc_of_their_own_boots_nothing_by_itself() -> None:
    assert offers([replace(ROW, master=MasterPlan(answers=""))], ()) == []


def test_one_version_is_listed_once_by_the_way_that_needs_no_medium() -> None:
    rows = [replace(ROW, name="debian-12-installer", source="media"), ROW, replace(ROW, name="debian-12-netboot")]
    assert [offer.entry.name for offer in offers(rows, {"debian-12-installer"})] == ["debian-12-image"]


@pytest.mark.parametrize(
    "name, parts",
    [
        ("debian-12-image", ("debian", "12")),
        ("ubuntu-22.04-installer", ("ubuntu", "22.04")),
        ("centos-stream-10-installer", ("centos-stream", "10")),
        ("sles-15-sp6-installer", ("sles", "15-sp6")),
        ("opensuse-leap-15.6-installer", ("opensuse-leap", "15.6")),
        ("windows-server-2022", ("windows-server", "2022")),
        ("fedora-coreos-stable", ("fedora-coreos", "stable")),
    ],
)
def test_names_fall_into_distribution_and_version(name: str, parts: tuple[str, str]) -> None:
    assert parts_of(systems()[name]) == parts


@pytest.mark.parametrize(
    "dist, version, pointer",
    [("", "12", "/dist"), ("debain", "12", "/dist"), ("debian", "", "/version"), ("debian", "9", "/version")],
)
def test_an_unknown_system_is_refused_with_the_known_ones(dist: str, version: str, pointer: str) -> None:
    offer, problems = chosen(offers([ROW], ()), dist, version, "")
    assert (offer, problems[0].pointer) == (None, pointer)
    assert ("debian" if pointer == "/dist" else "12") in problems[0].fix


def document(status: int = 422, *errors: dict[str, str]) -> dict[str, Any]:
    return {"type": "urn:x", "title": "T", "status": status, "code": "invalid", "detail": "d", "errors": list(errors)}


# Rules 4, 5 and 8
def test_errors_are_sentences_and_the_document_still_is_one_of_ours() -> None:
    first = {"pointer": "/networks/0/gateway", "detail": "it is outside", "fix": "use a router on the link"}
    second = {"pointer": "/hostname", "detail": "'a b' is not a hostname", "fix": ""}
    found = compatible(document(422, first, second), "/uii/images", 1642357932.0)
    assert found["errors"] == [
        "networks[0].gateway: it is outside; use a router on the link.",
        "hostname: 'a b' is not a hostname.",
    ]
    assert (found["status"], found["statuscode"], found["instance"]) == (400, 400, "/images")
    assert found["timestamp"] == "2022-01-16T18:32:12+0000"
    assert found["invalid_params"] == [first, second]
    assert {"type", "title", "detail"} <= set(found)


def test_one_error_is_the_sentence_alone_and_none_is_the_detail() -> None:
    offline = {"pointer": "/networks", "detail": "none of your networks has a valid internet connection", "fix": ""}
    assert compatible(document(422, offline), "/uii/images", 0.0)["errors"] == [offline["detail"]]
    found = compatible(document(404), "/uii/nothing", 0.0)
    assert (found["errors"], found["status"]) == (["d"], 404)


@pytest.mark.parametrize("path, is_ours", [("/uii", True), ("/uii/x", True), ("/uiix", False), ("/v1/uii", False)])
def test_only_its_own_paths_are_answered_in_its_way(path: str, is_ours: bool) -> None:
    assert ours(path) is is_ours
