# SPDX-License-Identifier: Apache-2.0
"""ESXi's kickstart: golden files, read back with shlex and compared with the model, and strings that stay strings."""

import ast
import json
import shlex
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.guest import failure_text
from services.common.contracts.guest_message import read_message
from services.common.contracts.network import Bond, NetworkModel, Nic, Route, Vlan
from services.common.contracts.observed import mismatches
from services.common.contracts.vm import Secrets, UserSpec
from services.imagebuilder.dialects import esxi
from services.imagebuilder.seed import seed_files
from tests.support.answers import KEYED_SECRETS, KEYED_USERS, answer_files, compare_with_golden, rows_of
from tests.support.esxi_guest import listing, run_first_boot, sections
from tests.support.imaging import COLUMNS, MAC, VM_ID, a_nic, a_spec

ROW = "esxi-8"
SAYABLE = [name for name in COLUMNS if name.startswith(("N1-", "N2", "N3", "N6", "N7", "N10", "N12"))]
COMMANDS = ["vmaccepteula", "keyboard", "install", "rootpw", "reboot", "network"]
FIXED: dict[str, Any] = {"addresses": ("192.0.2.10/24",), "gateway4": "192.0.2.1"}
BONDED = NetworkModel(
    (a_nic(1), a_nic(2), a_nic(3)),
    bonds=(Bond("bond0", (MAC(1), MAC(2)), mtu=9000, **FIXED),),
    vlans=(Vlan("vlan30", 30, "bond0", addresses=("198.51.100.10/24",)),),
)


FIRST: dict[str, Any] = {"nics": (a_nic(1, **FIXED),)}


def kickstart(secrets: Secrets = KEYED_SECRETS, row: str = ROW, **changes: Any) -> str:
    spec = a_spec(**{"os": row, "users": KEYED_USERS, **changes})
    return seed_files(systems()[row], VM_ID, spec, secrets)["KS.CFG"].decode()


def options(words: list[str]) -> dict[str, str]:
    return dict(word[2:].split("=", 1) for word in words if word.startswith("--"))


def tasks(python: str) -> Any:
    """What shall be done, found by Python's own parser: the value that `asked` gets."""
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "asked":
            literals = [str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)]
            return json.loads(b64decode(max(literals, key=len)))
    raise AssertionError("nothing is asked")


def read_links(text: str) -> dict[str, tuple[set[str], int]]:
    """vmkernel interface -> (its addresses with prefix or "dhcp", its VLAN)."""
    commands, lines, _ = sections(text)
    network = options(commands[-1])
    found: dict[str, tuple[set[str], int]] = {}
    first = f"{network['ip']}/{network['netmask']}" if "ip" in network else "dhcp"
    found["vmk0"] = ({first}, int(network.get("vlanid", 0)))
    vlans: dict[str, int] = {}
    for words in lines:
        said, what = options(words), [word for word in words if not word.startswith("--")]
        if what[-2:] == ["portgroup", "set"]:
            vlans[said["portgroup-name"]] = int(said["vlan-id"])
        elif what[-2:] == ["interface", "add"]:
            found[said["interface-name"]] = (set(), vlans.get(said["portgroup-name"], 0))
        elif what[-2:] == ["ipv4", "set"] and said["type"] == "static":
            found[said["interface-name"]][0].add(f"{said['ipv4']}/{said['netmask']}")
        elif what[-3:] == ["ipv6", "address", "add"]:
            found[said["interface-name"]][0].add(said["ipv6"])
    return {
        name: ({a if a == "dhcp" else str(ip_interface(a)) for a in at}, vlan) for name, (at, vlan) in found.items()
    }


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", rows_of("esxi"))
def test_each_cell_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column)


@pytest.mark.parametrize("column", SAYABLE)
@pytest.mark.parametrize("row", rows_of("esxi"))
def test_the_network_reads_back_as_the_model_has_it(row: str, column: str) -> None:
    text, model = answer_files(row, column)["KS.CFG"].decode(), COLUMNS[column]
    wanted = [
        ({*link.addresses, *(["dhcp"] if link.dhcp4 else [])}, link.id if isinstance(link, Vlan) else 0)
        for _, _, link in model.links()
        if link.configured
    ]
    assert sorted(read_links(text).values(), key=str) == sorted(wanted, key=str)
    commands, lines, _ = sections(text)
    assert [words[0] for words in commands] == COMMANDS
    said = options(commands[-1])
    assert said["device"] == model.nics[0].mac
    assert said.get("gateway", "") == model.nics[0].gateway4
    uplinks = [options(words)["uplink-name"] for words in lines if "uplink" in words]
    assert uplinks == [f"$(nic {nic.mac})" for nic in model.nics[1:]]
    servers = [options(words)["server"] for words in lines if "server" in words]
    assert servers == [server for nic in model.nics for server in nic.dns]


def test_a_bond_is_one_switch_with_a_standby_uplink_and_a_vlan_a_port_group_on_it() -> None:
    _, *lines = [shlex.split(line) for line in esxi.render(BONDED, "h").decode().splitlines()]
    network = options(shlex.split(esxi.render(BONDED, "h").decode().splitlines()[0]))
    assert (network["device"], network["ip"]) == (MAC(1), "192.0.2.10")
    failover = next(options(words) for words in lines if "failover" in words)
    assert failover["active-uplinks"] == f"$(nic {MAC(1)})"
    assert failover["standby-uplinks"] == f"$(nic {MAC(2)})"
    groups = [options(words) for words in lines if "portgroup" in words]
    assert groups[0] == {"vswitch-name": "vSwitch0", "portgroup-name": "vlan30"}
    assert groups[1] == {"portgroup-name": "vlan30", "vlan-id": "30"}
    assert {"vswitch-name": "vSwitch0", "mtu": "9000"} in [options(words) for words in lines]


def test_the_python_section_is_python_and_holds_what_was_asked() -> None:
    script = "#!/bin/sh\necho 'ü' %end \"\n%firstboot\n"
    text = kickstart(Secrets(first_boot=script), ntp=("ntp.example.org",))
    asked = tasks(sections(text)[2])
    assert b64decode(asked["first_boot"]).decode() == script
    assert (asked["hostname"], asked["domain"], asked["ntp"]) == ("web-1", "example.org", ["ntp.example.org"])
    assert asked["users"][0] == {"name": "ops", "administrator": True, "keys": ["ssh-ed25519 AAAAC3Nz ops@desk"]}


@dataclass
class Listener:
    """Where a first boot's words arrive."""

    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.said.append((self.headers["Authorization"], read_message(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: the test looks at what was said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_address[1]}/v1/guest/messages"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_its_first_boot_says_that_it_is_installed(listener: Listener, tmp_path: Path) -> None:
    run_first_boot(kickstart(Secrets(guest_token="t", report_url=listener.url)), tmp_path)
    assert listener.said[0] == ("Bearer t", {"type": "phase", "name": "installed", "percent": 100})


# As esxcli --formatter=json lists them; {} is where a test has a say.
LISTS: dict[str, Any] = {
    "nic list": [
        {"Name": "vmnic0", "MACAddress": MAC(1), "MTU": 1500, "LinkStatus": "Up"},
        {"Name": "vmnic1", "MACAddress": MAC(2).upper(), "MTU": 1500, "LinkStatus": "Up"},
        {"Name": "vmnic2", "MACAddress": MAC(3), "MTU": 1500, "LinkStatus": "Up"},
    ],
    "vswitch standard list": [
        {"Name": "vSwitch0", "Uplinks": ["vmnic0", "vmnic1"], "MTU": 9000, "Portgroups": ["vlan30"]},
        {"Name": "vSwitch1", "Uplinks": ["vmnic2"], "MTU": 1500, "Portgroups": ["eth2"]},
    ],
    "ip interface list": [
        {"Name": "vmk0", "MACAddress": "00:50:56:00:00:01", "MTU": 9000, "Portset": "vSwitch0", "Enabled": True},
        {"Name": "vmk1", "MACAddress": "00:50:56:00:00:02", "MTU": 1500, "Portset": "vSwitch1", "Enabled": True},
        {"Name": "vmk2", "MACAddress": "00:50:56:00:00:03", "MTU": 1500, "Portset": "vSwitch0", "Enabled": True},
    ],
    "ip interface ipv4 address list": [
        {"Name": "vmk0", "IPv4Address": "192.0.2.10", "IPv4Netmask": "255.255.255.0", "AddressType": "STATIC"},
        {"Name": "vmk1", "IPv4Address": "0.0.0.0", "IPv4Netmask": "0.0.0.0", "AddressType": "NONE"},
        {"Name": "vmk2", "IPv4Address": "198.51.100.10", "IPv4Netmask": "255.255.255.0", "AddressType": "STATIC"},
    ],
    "ip interface ipv6 address list": [
        {"Interface": "vmk0", "Address": "fe80::250:56ff:fe00:1", "Netmask": 64, "Type": "STATIC"},
        {"Interface": "vmk1", "Address": "2001:db8::10", "Netmask": 64, "Type": "STATIC"},
    ],
    "ip route ipv4 list": [
        {"Network": "default", "Netmask": "0.0.0.0", "Gateway": "192.0.2.1", "Interface": "vmk0"},
        {"Network": "10.9.0.0", "Netmask": "255.255.0.0", "Gateway": "198.51.100.1", "Interface": "vmk2"},
        {"Network": "192.0.2.0", "Netmask": "255.255.255.0", "Gateway": "0.0.0.0", "Interface": "vmk0"},
    ],
    "ip route ipv6 list": [
        {"Network": "default", "Netmask": 0, "Gateway": "2001:db8::1", "Interface": "vmk1"},
        {"Network": "2001:db8::", "Netmask": 64, "Gateway": "::", "Interface": "vmk1"},
    ],
    "ip dns server list": {"DNSServers": ["192.0.2.53"]},
}
WANTED = NetworkModel(
    (a_nic(1), a_nic(2), a_nic(3, addresses=("2001:db8::10/64",), gateway6="2001:db8::1")),
    bonds=(Bond("bond0", (MAC(1), MAC(2)), mtu=9000, dns=("192.0.2.53",), **FIXED),),
    vlans=(
        Vlan("vlan30", 30, "bond0", addresses=("198.51.100.10/24",), routes=(Route("10.9.0.0/16", "198.51.100.1"),)),
    ),
)


def test_what_its_first_boot_reports_is_verified_by_mac_and_by_name(listener: Listener, tmp_path: Path) -> None:
    text = kickstart(
        Secrets(guest_token="t", report_url=listener.url), nics=WANTED.nics, bonds=WANTED.bonds, vlans=WANTED.vlans
    )
    run_first_boot(text, tmp_path, listing(tmp_path, LISTS))
    (_, installed), (_, report) = listener.said
    assert installed["name"] == "installed"
    assert report["type"] == "report"
    assert mismatches(WANTED, report, {}) == []
    named = {link["name"]: (link["mac"], link["addresses"]) for link in report["interfaces"]}
    assert named["bond0"] == (MAC(1), ["192.0.2.10/24"])


def test_a_link_that_is_otherwise_is_reported_as_it_is(listener: Listener, tmp_path: Path) -> None:
    text = kickstart(
        Secrets(guest_token="t", report_url=listener.url), nics=WANTED.nics, bonds=WANTED.bonds, vlans=WANTED.vlans
    )
    others = {**LISTS, "ip interface ipv4 address list": [], "nic list": LISTS["nic list"][:2]}
    run_first_boot(text, tmp_path, listing(tmp_path, others))
    wrong = mismatches(WANTED, listener.said[1][1], {})
    assert wrong[0] == f"NIC 2 ({MAC(3)}) is not there"
    assert [text for text in wrong if "address 192.0.2.10/24 is missing" in text]


def test_lists_that_cant_be_read_are_noted_and_the_rest_is_told(listener: Listener, tmp_path: Path) -> None:
    secrets = Secrets(guest_token="t", report_url=listener.url)
    lists = {**LISTS, "ip dns server list": "?", "ip route ipv6 list": [{"Network": "default"}]}
    run_first_boot(kickstart(secrets, **FIRST), tmp_path, listing(tmp_path, lists))
    _, report = listener.said[1]
    assert [link["addresses"] for link in report["interfaces"]] == [["192.0.2.10/24"]]
    assert report["dns"] == []
    log = (tmp_path / "innkeeper-firstboot.log").read_text()
    assert "not read: esxcli ip dns server list" in log
    assert "not read: esxcli ip route ipv6 list" in log


def test_its_first_boot_says_what_failed(listener: Listener, tmp_path: Path) -> None:
    secrets = Secrets(guest_token="t", report_url=listener.url)
    run_first_boot(kickstart(secrets), tmp_path, 'test "$3" != set || { echo no such host; exit 1; }')
    ((_, said),) = listener.said
    assert failure_text("install", said).startswith(
        "the installer failed in first boot: failed: esxcli system hostname"
    )
    assert "no such host" in said["log"]


def test_root_has_the_hash_that_was_asked_for_or_none_that_fits() -> None:
    asked = kickstart(Secrets({"root": "$6$salt$hash"}), users=(UserSpec("root"),))
    assert sections(asked)[0][3] == ["rootpw", "--iscrypted", "$6$salt$hash"]
    assert sections(kickstart())[0][3][2].endswith("." * 86)


@pytest.mark.parametrize(
    "changes, pointer",
    [
        ({"secrets": Secrets({"ops": "$6$a$b"})}, "/users"),
        ({"secrets": Secrets(first_boot="#cloud-config\n")}, "/first_boot"),
        ({"secrets": Secrets(first_boot="#!/bin/sh\n\ud800")}, "/first_boot"),
        ({"users": (UserSpec("vpxuser"),)}, "/users"),
        ({"users": (UserSpec("ops", ("a\nb",)),)}, "/users/0/ssh_keys/0"),
        ({"users": (UserSpec("ops", ("a",), sudo=False),)}, "/users"),
        ({"timezone": "Europe/Berlin"}, "/timezone"),
        ({"locale": "de_DE.UTF-8"}, "/locale"),
        ({"keyboard": "xx"}, "/keyboard"),
        ({"layout": "home"}, "/layout"),
        ({"packages": ("vim",)}, "/packages"),
        ({"mirror": "http://m.example.org"}, "/mirror"),
        ({"proxy": "http://p.example.org"}, "/proxy"),
        ({"nics": (a_nic(dhcp4=True, name="lan0"),)}, "/networks/0/name"),
        ({"nics": (a_nic(dhcp4=True), a_nic(2, dhcp4=True))}, "/networks/1/dhcp4"),
        ({"nics": (a_nic(dhcp4=True, mtu=1000),)}, "/networks/0/mtu"),
        ({"nics": (a_nic(dhcp4=True), a_nic(2, routes=(Route("10.0.0.0/8", "192.0.2.1"),)))}, "/networks/1/routes/0"),
    ],
)
def test_what_esxi_cant_have_is_refused_by_field(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        kickstart(**changes)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert all(problem.fix for problem in refused.value.problems)


HOSTILE = st.text(max_size=40) | st.sampled_from(
    ["%end", "a\n%firstboot", "a\nb", "'; reboot", '"', "`id`", "$(x)", "\x00", "\u202e", "\\", "!!x", "k" * 65536]
)
LINES = len(kickstart().splitlines())


@settings(deadline=None)
@given(value=HOSTILE, field=st.sampled_from(["hostname", "domain", "keyboard", "ntp"]))
def test_a_hostile_word_is_refused_or_only_data(value: str, field: str) -> None:
    try:
        text = kickstart(**{field: (value,) if field == "ntp" else value})
    except Invalid as refused:
        pointers = {problem.pointer for problem in refused.problems}
    else:
        pointers = {f"/{field}"}
        assert len(text.splitlines()) == LINES
        tasks(sections(text)[2])
    assert pointers == {f"/{field}"}


@settings(deadline=None)
@given(key=HOSTILE)
def test_a_hostile_key_is_refused_or_only_data(key: str) -> None:
    try:
        text = kickstart(users=(UserSpec("ops", (key,)),))
    except Invalid:
        return
    assert tasks(sections(text)[2])["users"][0]["keys"] == [key]
    assert len(text.splitlines()) == LINES


@settings(deadline=None)
@given(value=HOSTILE, field=st.sampled_from(["addresses", "dns", "search", "gateway4", "gateway6", "name", "mac"]))
def test_a_hostile_link_is_refused_or_only_data(value: str, field: str) -> None:
    listed = field in ("addresses", "dns", "search")
    for bad in (value, "fe80::1%" + value):
        nic = {"mac": MAC(2), "network": "n", "addresses": ("198.51.100.5/24",), field: (bad,) if listed else bad}
        try:
            text = kickstart(nics=(a_nic(dhcp4=True), Nic(**nic)))
        except Invalid:
            continue
        commands, lines, _ = sections(text)
        assert [words[0] for words in commands] == COMMANDS
        assert {words[0] for words in lines} == {"esxcli"}


@settings(deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_script_arrives_as_it_was_written(text: str) -> None:
    script = "#!/bin/sh\n" + text
    assert b64decode(tasks(sections(kickstart(Secrets(first_boot=script)))[2])["first_boot"]).decode() == script
