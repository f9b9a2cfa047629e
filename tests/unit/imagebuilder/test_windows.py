# SPDX-License-Identifier: Apache-2.0
"""Windows's answer files: golden, read back with lxml and compared with the model, and strings that stay strings."""

import json
import re
from base64 import b64decode
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.guest import PHASES
from services.common.contracts.network import Nic, Route
from services.common.contracts.vm import Secrets, UserSpec
from services.imagebuilder.seed import seed_files
from tests.support.answers import KEYED_SECRETS, KEYED_USERS, answer_files, compare_with_golden, rows_of
from tests.support.arbitrary import SEED
from tests.support.arbitrary_links import a_network
from tests.support.imaging import COLUMNS, VM_ID, a_nic, a_spec

ROW = "windows-server-2022"
SAYABLE = [name for name in COLUMNS if not name.startswith(("N10", "N11", "N12"))]
WCM = "{http://schemas.microsoft.com/WMIConfig/2002/State}"
PEM = "-----BEGIN CERTIFICATE-----\nTUlJ\nQ2pk\n-----END CERTIFICATE-----\n"


def files_of(secrets: Secrets = KEYED_SECRETS, row: str = ROW, **changes: Any) -> dict[str, bytes]:
    spec = a_spec(**{"os": row, "users": KEYED_USERS, **changes})
    return seed_files(systems()[row], VM_ID, spec, secrets)


def read(files: dict[str, bytes]) -> Any:
    """The answer file without its namespace."""
    root = etree.fromstring(files["autounattend.xml"])
    for element in root.iter(etree.Element):
        element.tag = etree.QName(element).localname
    return root


def component(root: Any, setting: str, name: str) -> Any:
    found = root.xpath(f"settings[@pass='{setting}']/component[@name='Microsoft-Windows-{name}']")
    assert len(found) <= 1
    return found[0] if found else etree.Element("none")


def first_logon(files: dict[str, bytes]) -> Any:
    return json.loads(files["innkeeper/first-logon.json"])


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", rows_of("windows"))
def test_each_cell_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column)


@pytest.mark.parametrize("column", SAYABLE)
@pytest.mark.parametrize("row", rows_of("windows"))
def test_the_network_reads_back_as_the_model_has_it(row: str, column: str) -> None:
    assert_says(answer_files(row, column), COLUMNS[column].nics)


def test_any_network_reads_back_as_the_model_has_it() -> None:
    written = 0
    for number in range(500):
        nics = a_network(Random(f"{SEED}/windows/{number}")).nics
        try:
            files = files_of(nics=nics)
        except Invalid:
            continue
        assert_says(files, nics)
        written += 1
    assert written > 200


def assert_says(files: dict[str, bytes], nics: Sequence[Nic]) -> None:
    """Every card has its own interface, servers and words for the first logon."""
    root = read(files)
    tcpip = component(root, "specialize", "TCPIP")
    assert len(tcpip.findall("Interfaces")) == any(nic.configured for nic in nics)
    cards = {card.findtext("Identifier"): card for card in tcpip.findall("Interfaces/Interface")}
    servers = {
        card.findtext("Identifier"): [e.text for e in card.findall("DNSServerSearchOrder/IpAddress")]
        for card in component(root, "specialize", "DNS-Client").findall("Interfaces/Interface")
    }
    links = {link["mac"]: link for link in first_logon(files)["links"]}
    assert set(links) == {nic.mac.upper().replace(":", "-") for nic in nics}
    for nic in nics:
        mac = nic.mac.upper().replace(":", "-")
        assert (mac in cards) == nic.configured
        if nic.configured:
            same_link(nic, cards[mac], links[mac])
        assert [ip_address(text) for text in servers.get(mac, [])] == [ip_address(text) for text in nic.dns]


def same_link(nic: Nic, card: Any, link: dict[str, Any]) -> None:
    order = [child.tag for child in card]
    assert order == [
        n for n in ("Ipv4Settings", "Ipv6Settings", "Identifier", "UnicastIpAddresses", "Routes") if n in order
    ]
    addresses = [ip_interface(e.text) for e in card.findall("UnicastIpAddresses/IpAddress")]
    assert addresses == [ip_interface(text) for text in nic.addresses]
    routes = [
        (ip_network(r.findtext("Prefix")), ip_address(r.findtext("NextHopAddress")), r.findtext("Metric"))
        for r in card.findall("Routes/Route")
    ]
    gateways = [("0.0.0.0/0", nic.gateway4), ("::/0", nic.gateway6)]
    wanted = [(ip_network(to), ip_address(via), None) for to, via in gateways if via]
    wanted += [(ip_network(r.to), ip_address(r.via), str(r.metric) if r.metric else None) for r in nic.routes]
    assert routes == wanted
    has_v4 = nic.dhcp4 or any(a.version == 4 for a in addresses)
    assert card.findtext("Ipv4Settings/DhcpEnabled") == (str(nic.dhcp4).lower() if has_v4 else None)
    assert card.findtext("Ipv6Settings/DhcpEnabled") == str(nic.dhcp6).lower()
    assert (link["ipv4"], link["default_route"], link["mtu"]) == (has_v4, nic.default_route, nic.mtu)
    assert link["name"] == nic.name


@pytest.mark.parametrize(
    "firmware, kinds, target", [("uefi", ["EFI", "MSR", "Primary"], "3"), ("bios", ["Primary"] * 2, "2")]
)
def test_the_disk_is_divided_for_what_the_vm_boots_by(firmware: str, kinds: list[str], target: str) -> None:
    setup = component(read(files_of(firmware=firmware)), "windowsPE", "Setup")
    assert [e.text for e in setup.iterfind(".//CreatePartition/Type")] == kinds
    assert setup.findtext("ImageInstall/OSImage/InstallTo/PartitionID") == target


def test_the_one_time_password_is_the_vms_own_and_the_same_at_every_build() -> None:
    def passwords(token: str) -> list[str]:
        return [e.text for e in read(files_of(Secrets(guest_token=token))).iterfind(".//Value") if len(e.text) > 20]

    first = passwords("one")
    assert passwords("one") == first
    setup, administrator, again = first
    assert setup == again != administrator
    assert not set(first) & set(passwords("two"))


def test_no_one_time_password_is_outside_the_answer_file_and_the_script_rotates_it() -> None:
    files = files_of()
    setup = read(files).findtext(".//AutoLogon/Password/Value")
    others = [content for path, content in files.items() if path != "autounattend.xml"]
    assert not any(setup.encode() in content for content in others)
    script = files["innkeeper/first-logon.ps1"].decode()
    assert script.index("Set-LocalUser") < script.index("foreach ($link in")
    assert read(files).findtext(".//AutoLogon/LogonCount") == "1"


def test_it_tells_where_it_was_told_to_and_its_token_is_data() -> None:
    asked = first_logon(files_of())
    assert (asked["report_url"], asked["report_token"]) == (KEYED_SECRETS.report_url, KEYED_SECRETS.guest_token)
    unheard = first_logon(files_of(Secrets(guest_token="t")))
    assert (unheard["report_url"], unheard["report_token"]) == ("", "")
    script = files_of()["innkeeper/first-logon.ps1"].decode()
    assert KEYED_SECRETS.guest_token not in script
    assert set(re.findall(r"name = '([^']+)'; percent", script)) <= set(PHASES)


def test_what_the_spec_says_reaches_the_first_logon_as_data() -> None:
    script = "#!powershell\n'ü' | Out-File C:\\x # ]]>\n"
    files = files_of(
        Secrets(guest_token="t", first_boot=script),
        ntp=("ntp.example.org",),
        proxy="http://proxy.example.org:3128/",
        ca_certificates=(PEM,),
        timezone="Europe/Berlin",
        locale="de_DE.UTF-8",
        keyboard="de",
    )
    asked = first_logon(files)
    assert b64decode(asked["first_boot"]).decode() == script
    assert asked["certificates"] == ["TUlJQ2pk"]
    assert (asked["ntp"], asked["proxy"], asked["domain"]) == (
        ["ntp.example.org"],
        "proxy.example.org:3128",
        "example.org",
    )
    assert asked["users"][0] == {"name": "ops", "administrator": True, "keys": ["ssh-ed25519 AAAAC3Nz ops@desk"]}
    root = read(files)
    assert component(root, "specialize", "Shell-Setup").findtext("TimeZone") == "W. Europe Standard Time"
    assert component(root, "oobeSystem", "International-Core").findtext("UserLocale") == "de-DE"
    assert component(root, "oobeSystem", "International-Core").findtext("InputLocale") == "0407:00000407"


@pytest.mark.parametrize(
    "changes, pointer",
    [
        ({"secrets": Secrets()}, "/os"),
        ({"secrets": Secrets({"ops": "$6$a$b"}, guest_token="t")}, "/users"),
        ({"secrets": Secrets(first_boot="#!/bin/sh\n", guest_token="t")}, "/first_boot"),
        ({"hostname": "a-very-long-hostname"}, "/hostname"),
        ({"hostname": "12345"}, "/hostname"),
        ({"users": (UserSpec("guest"),)}, "/users"),
        ({"users": (UserSpec("ops", ("one\ntwo",)),)}, "/users/0/ssh_keys/0"),
        ({"packages": ("vim",)}, "/packages"),
        ({"layout": "lvm"}, "/layout"),
        ({"keyboard": "xx"}, "/keyboard"),
        ({"locale": "C.UTF-8"}, "/locale"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"mirror": "http://m.example.org"}, "/mirror"),
        ({"proxy": "https://p.example.org"}, "/proxy"),
        ({"row": "windows-11", "firmware": "bios"}, "/firmware"),
        ({"nics": (a_nic(dhcp4=True, addresses=("192.0.2.10/24",)),)}, "/networks/0/dhcp4"),
        ({"nics": (a_nic(dhcp4=True, mtu=9000),)}, "/networks/0/mtu"),
        ({"nics": (a_nic(mtu=1400),)}, "/networks/0/mtu"),
        ({"nics": (a_nic(dhcp4=True, routes=(Route("10.0.0.0/8", "192.0.2.1", 0),)),)}, "/networks/0/routes/0/metric"),
        ({"nics": (a_nic(routes=(Route("10.0.0.0/8", "192.0.2.1"),)),)}, "/networks/0/routes/0"),
    ],
)
def test_what_windows_cant_have_is_refused_by_field(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        files_of(**changes)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert all(problem.fix for problem in refused.value.problems)


HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "]]>",
        "<x/>",
        "&lt;",
        "a\nb",
        "'; reboot",
        '"',
        "`id`",
        "$(x)",
        "\x00",
        "\u202e",
        "%end",
        "!!x",
        "\ud800",
        "k" * 65536,
    ]
)
SHAPE = [element.tag for element in read(files_of()).iter()]


@settings(deadline=None)
@given(value=HOSTILE, field=st.sampled_from(["hostname", "domain", "locale", "keyboard", "timezone", "proxy"]))
def test_a_hostile_word_is_refused_or_only_data(value: str, field: str) -> None:
    try:
        files = files_of(**{field: value})
    except Invalid as refused:
        pointers = {problem.pointer for problem in refused.problems}
    else:
        pointers = {f"/{field}"}
        assert [element.tag for element in read(files).iter()] == SHAPE
        first_logon(files)
    assert pointers == {f"/{field}"}


@settings(deadline=None)
@given(key=HOSTILE)
def test_a_hostile_key_is_refused_or_only_data(key: str) -> None:
    try:
        files = files_of(users=(UserSpec("ops", (key,)),))
    except Invalid:
        return
    assert first_logon(files)["users"][0]["keys"] == [key]
    assert [element.tag for element in read(files).iter()] == SHAPE


@settings(deadline=None)
@given(value=HOSTILE, field=st.sampled_from(["addresses", "dns", "search", "gateway6", "name", "mac"]))
def test_a_hostile_link_is_refused_or_only_data(value: str, field: str) -> None:
    words: Any = (value,) if field in ("addresses", "dns", "search") else value
    for bad in (words, ("fe80::1%" + value,) if isinstance(words, tuple) else "fe80::1%" + value):
        nic = {"mac": "52:54:00:00:00:01", "network": "n", "addresses": ("192.0.2.10/24",), field: bad}
        try:
            files = files_of(nics=(Nic(**nic),))
        except Invalid:
            continue
        assert len(read(files).findall(".//Interface")) <= 2


@settings(deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_powershell_script_arrives_as_it_was_written(text: str) -> None:
    files = files_of(Secrets(guest_token="t", first_boot="#!powershell\n" + text))
    assert b64decode(first_logon(files)["first_boot"]).decode() == "#!powershell\n" + text


def test_it_reports_at_each_start_unless_nobody_wants_to_hear_it() -> None:
    files = files_of()
    assert first_logon(files)["reports"] is True
    assert first_logon(files_of(guest_agent=False))["reports"] is False
    both = [files[f"innkeeper/{name}.ps1"].decode() for name in ("first-logon", "report")]
    assert all(". (Join-Path $PSScriptRoot 'send-word.ps1')" in script for script in both)
    assert "function Send-Word" in files["innkeeper/send-word.ps1"].decode()
    # What is told has the keys that the platform's reader asks for.
    said = {match[1] for match in re.finditer(r"^\s*(?:\[ordered\]@\{ )?(\w+) = ", both[1], re.MULTILINE)}
    assert {
        "type",
        "boot_id",
        "hostname",
        "interfaces",
        "routes",
        "dns",
        "name",
        "mac",
        "mtu",
        "up",
        "addresses",
    } <= said


@pytest.mark.parametrize("name", ["first-logon", "report", "send-word"])
def test_powershell_5_reads_the_scripts_as_they_are_and_they_hold_nothing_of_a_vm(name: str) -> None:
    path = f"innkeeper/{name}.ps1"
    script = files_of()[path]
    # Without a byte order mark it takes a script for the machine's old code page.
    assert script.isascii()
    assert script == files_of(Secrets(guest_token="other"), hostname="other", domain="", users=())[path]
