# SPDX-License-Identifier: Apache-2.0
"""SLES and Leap: AutoYaST's profile and Agama's, read back by parsers of their own and compared with the model."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from configparser import ConfigParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.network import Bond, NetworkModel, Nic
from services.common.contracts.vm import Firmware, Layout, Secrets, UserSpec
from services.imagebuilder.dialects import autoyast
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.seed import seed_files
from tests.support.answers import answer_files, compare_with_golden, rows_of
from tests.support.imaging import COLUMNS, SECRETS, VM_ID, a_nic, a_spec

NS = "{http://www.suse.com/1.0/yast2ns}"
TYPE = "{http://www.suse.com/1.0/configns}type"
ROWS = rows_of("suse")
AGAMA = "sles-16-installer"
YAST = [row for row in ROWS if row != AGAMA]
SAID = [column for column in COLUMNS if not column.startswith("N5")]
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SCRIPT = "#!/bin/sh\nprintf '%s' \"]]> %end <&>\"\n"
PUT = re.compile(r'^echo "?([A-Za-z0-9+/=]*)"? \| put "?([^" ]+(?: ?[^" ]*))"? "?([0-7]{4})"?$', re.M)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    # The agent is the same in every cell, and tested below.
    compare_with_golden(row, column, guest_agent=False)


def profile(files: dict[str, bytes]) -> Any:
    """The root of a profile; nothing of a document type is fetched or expanded."""
    return etree.fromstring(files["autoinst.xml"], etree.XMLParser(resolve_entities=False, no_network=True))


def rows(root: Any, path: str) -> list[dict[str, str]]:
    """The entries of a list as mappings of tag -> text."""
    found = root.find("/".join(NS + part for part in path.split("/")))
    if found is None:
        return []
    assert found.get(TYPE) == "list"
    return [{etree.QName(tag).localname: tag.text or "" for tag in entry} for entry in found]


def texts(root: Any, path: str) -> list[str]:
    found = root.find("/".join(NS + part for part in path.split("/")))
    return [] if found is None else [entry.text for entry in found]


def script_of(files: dict[str, bytes]) -> str:
    if "autoinst.json" in files:
        (script,) = json.loads(files["autoinst.json"])["scripts"]["post"]
        return str(script["content"])
    (script,) = rows(profile(files), "scripts/chroot-scripts")
    return script["source"]


def put(files: dict[str, bytes]) -> dict[str, tuple[str, str]]:
    """Path -> text and mode of what the script writes."""
    return {path: (b64decode(data).decode("latin-1"), mode) for data, path, mode in PUT.findall(script_of(files))}


@pytest.mark.parametrize("column", SAID)
def test_autoyasts_network_says_what_the_model_says(column: str) -> None:
    model = COLUMNS[column]
    files = answer_files(YAST[0], column)
    root = profile(files)
    named = {link["name"]: link for link in rows(root, "networking/interfaces")}
    elements = {e.find(f"{NS}name").text: e for e in root.find(f"{NS}networking/{NS}interfaces")}
    assert list(named) == [name for _, name, _ in model.links()]
    rules = [(rule["name"], rule["rule"], rule["value"]) for rule in rows(root, "networking/net-udev")]
    assert rules == [(model.nic_name(nic), "ATTR{address}", nic.mac) for nic in model.nics]
    routes = rows(root, "networking/routing/routes")
    sysctl = put(files)["/etc/sysctl.d/90-innkeeper-links.conf"][0]
    for _, name, link in model.links():
        said = named[name]
        assert (said["bootproto"] == "dhcp4") == link.dhcp4
        aliases = [[tag.text for tag in alias] for alias in elements[name].findall(f"{NS}aliases/*")]
        first = [[said["ipaddr"], said["prefixlen"]]] if "ipaddr" in said else []
        assert ["/".join(pair) for pair in first + aliases] == list(link.addresses)
        assert int(said.get("mtu", "0")) == link.mtu
        mine = [(r["destination"], r["gateway"], r.get("extrapara")) for r in routes if r["device"] == name]
        gateways = [("default", gateway, None) for gateway in (link.gateway4, link.gateway6) if gateway]
        asked = [
            (r.to if r.to != "0.0.0.0/0" else "default", r.via, None if r.metric is None else f"metric {r.metric}")
            for r in link.routes
        ]
        assert mine == gateways + asked
        in_bond = isinstance(link, Nic) and model.bond_of(link)
        assert (f"net/ipv6/conf/{name}/accept_ra = 0\n" in sysctl) != bool(in_bond)
    for bond in model.bonds:
        cards = [named[bond.name][f"bonding_slave{n}"] for n in range(len(bond.members))]
        assert [next(n.mac for n in model.nics if model.nic_name(n) == card) for card in cards] == list(bond.members)
        assert f"mode={bond.mode} " in named[bond.name]["bonding_module_opts"]
    for vlan in model.vlans:
        parent = model.parent(vlan)
        assert parent is not None
        assert (named[vlan.name]["etherdevice"], named[vlan.name]["vlan_id"]) == (model.name_of(parent), str(vlan.id))
    servers = list(dict.fromkeys(server for _, _, link in model.links() for server in link.dns))
    assert texts(root, "networking/dns/nameservers") == servers
    domains = list(dict.fromkeys(domain for _, _, link in model.links() for domain in link.search))
    assert texts(root, "networking/dns/searchlist") == domains


@pytest.mark.parametrize("column", COLUMNS)
def test_agamas_system_gets_a_keyfile_for_each_link(column: str) -> None:
    model = COLUMNS[column]
    script = script_of(answer_files(AGAMA, column))
    found = dict(
        re.findall(
            r"^cat > /etc/NetworkManager/system-connections/(\S+) <<'KEYFILE'\n(.*?)^KEYFILE$", script, re.M | re.S
        )
    )
    assert list(found) == [f"{name}.nmconnection" for _, name, _ in model.links()]
    for _, name, link in model.links():
        parser = ConfigParser(interpolation=None)
        parser.read_string(found[f"{name}.nmconnection"])
        assert parser.get("ethernet", "mac-address", fallback="") == (link.mac if isinstance(link, Nic) else "")
        said = [v for s in ("ipv4", "ipv6") if s in parser for k, v in parser[s].items() if k.startswith("address")]
        assert said == list(link.addresses)


REFUSED = [
    (a_nic(dhcp4=True, default_route=False), "/networks/0/default_route"),
    (a_nic(accept_ra=True), "/networks/0/accept_ra"),
]


@pytest.mark.parametrize("nic, pointer", REFUSED)
def test_what_autoyast_cant_say_is_refused_by_field(nic: Nic, pointer: str) -> None:
    for render in (autoyast.render, autoyast.sysctl):
        with pytest.raises(Invalid) as refused:
            render(NetworkModel((nic,)), "h")
        assert [problem.pointer for problem in refused.value.problems] == [pointer]


def test_a_bond_has_ten_cards_at_most_and_a_host_a_name() -> None:
    nics = tuple(Nic(mac=f"52:54:00:00:01:{n:02x}", network="n") for n in range(11))
    with pytest.raises(Invalid) as refused:
        autoyast.render(NetworkModel(nics, (Bond("bond0", tuple(n.mac for n in nics), dhcp4=True),)), "a b")
    assert [problem.pointer for problem in refused.value.problems] == ["/bonds/0/members", "/hostname"]
    text = autoyast.sysctl(NetworkModel((a_nic(dhcp6=True, default_route=False),)), "h").decode()
    assert text == "net/ipv6/conf/eth0/accept_ra = 1\nnet/ipv6/conf/eth0/accept_ra_defrtr = 0\n"


WHOLE: dict[str, Any] = {
    "ntp": ("ntp.example.org", "192.0.2.123"),
    "ca_certificates": (PEM,),
    "packages": ("vim",),
    "timezone": "Europe/Berlin",
    "locale": "de_DE.UTF-8",
    "keyboard": "de",
}


@pytest.mark.parametrize("row", ROWS)
def test_everything_asked_for_is_in_the_answer(row: str) -> None:
    files = seed_files(systems()[row], VM_ID, a_spec(os=row, **WHOLE), Secrets({"ops": "$6$s$h"}, SCRIPT))
    written = put(files)
    assert written["/etc/sudoers.d/innkeeper-ops"] == ("ops ALL=(ALL) NOPASSWD:ALL\n", "0440")
    assert "/etc/sudoers.d/innkeeper-guest" not in written
    assert written["/etc/pki/trust/anchors/innkeeper-1.pem"] == (PEM, "0644")
    assert written["/usr/local/sbin/innkeeper-first-boot"] == (SCRIPT, "0700")
    assert written[guest_agent.PYZ_PATH] == (guest_agent.pyz().decode("latin-1"), "0755")
    assert written[guest_agent.UNIT_PATH][0] == guest_agent.UNIT
    script = script_of(files)
    for unit in (guest_agent.UNIT_NAME, "innkeeper-first-boot.service"):
        assert f"\nsystemctl enable {unit}\n" in script
    shell = shutil.which("sh")
    assert shell
    checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("row", YAST)
@pytest.mark.parametrize("column", SAID)
def test_no_list_of_a_profile_is_empty(row: str, column: str) -> None:
    # AutoYaST's schema has a list with entries, or none at all.
    for changes in ({}, {"users": (), "guest_agent": False}, WHOLE):
        root = profile(answer_files(row, column, **changes))
        assert [tag.tag for tag in root.iter() if tag.get(TYPE) == "list" and len(tag) == 0] == []


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("wanted", [True, False])
def test_the_hypervisor_s_agent_is_installed_with_ours(row: str, wanted: bool) -> None:
    files = answer_files(row, "N1-one-dhcp", guest_agent=wanted)
    if row == AGAMA:
        names = json.loads(files["autoinst.json"])["software"]["packages"]
    else:
        names = texts(profile(files), "software/packages")
    assert ("qemu-guest-agent" in names) == wanted


def test_autoyast_is_told_of_the_system_and_its_users() -> None:
    row = "sles-15-sp7-installer"
    spec = a_spec(os=row, proxy="http://proxy.example.org:3128", **WHOLE)
    root = profile(seed_files(systems()[row], VM_ID, spec, Secrets({"ops": "$6$s$h"})))
    users = rows(root, "users")
    assert [(u["username"], u["user_password"], u["encrypted"]) for u in users] == [
        ("root", "!", "true"),
        ("ops", "$6$s$h", "true"),
        ("guest", "!", "true"),
    ]
    assert [key.text for key in root.iter(f"{NS}listentry") if (key.text or "").startswith("ssh-")] == [
        "ssh-ed25519 AAAAC3Nz ops@desk"
    ]
    single = {
        "networking/dns/hostname": "web-1",
        "timezone/timezone": "Europe/Berlin",
        "language/language": "de_DE",
        "keyboard/keymap": "de",
        "proxy/http_proxy": "http://proxy.example.org:3128",
    }
    for path, text in single.items():
        assert root.findtext("/".join(NS + part for part in path.split("/"))) == text
    assert [server["address"] for server in rows(root, "ntp-client/ntp_servers")] == ["ntp.example.org", "192.0.2.123"]
    assert "vim" in texts(root, "software/packages")
    assert texts(root, "software/products") == ["SLES"]
    leap = profile(answer_files("opensuse-leap-15.6-installer", "N1-one-dhcp"))
    assert texts(leap, "software/products") == ["Leap"]
    assert leap.find(f"{NS}add-on") is None


def test_agama_is_told_of_the_system_and_its_users() -> None:
    files = seed_files(systems()[AGAMA], VM_ID, a_spec(os=AGAMA, **WHOLE), Secrets({"ops": "$6$s$h"}))
    read = json.loads(files["autoinst.json"])
    assert read["hostname"] == {"static": "web-1.example.org"}
    assert read["localization"] == {"language": "de_DE.UTF-8", "keyboard": "de", "timezone": "Europe/Berlin"}
    assert read["root"] == {"password": "!", "hashedPassword": True}
    assert "vim" in read["software"]["packages"]
    script = script_of(files)
    (hashed,) = re.findall(r'^echo "(\S+)" \| base64 -d \| chpasswd -e$', script, re.M)
    assert b64decode(hashed) == b"ops:$6$s$h\n"
    assert [f'useradd -m -s "/bin/bash" "{name}"\n' in script for name in ("ops", "guest", "root")] == [
        True,
        True,
        False,
    ]
    assert put(files)["$home/.ssh/authorized_keys"] == ("ssh-ed25519 AAAAC3Nz ops@desk\n", "0600")
    assert put(files)["/etc/chrony.d/innkeeper.conf"][0] == "server ntp.example.org iburst\nserver 192.0.2.123 iburst\n"


@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.UEFI])
@pytest.mark.parametrize(
    "layout, mounts",
    [(Layout.WHOLE, {"/"}), (Layout.LVM, {"/", "swap"}), (Layout.HOME, {"/", "/home"})],
)
def test_the_disk_is_divided_as_asked(firmware: str, layout: str, mounts: set[str]) -> None:
    spec = a_spec(firmware=firmware, layout=layout)
    root = profile(seed_files(systems()[YAST[0]], VM_ID, spec, SECRETS))
    partitioning = root.find(f"{NS}partitioning")
    esp = {"/boot/efi"} if firmware == Firmware.UEFI else set()
    assert {mount.text for mount in partitioning.iter(f"{NS}mount")} == mounts | esp
    kinds = {kind.text for kind in partitioning.iter(f"{NS}partition_id")}
    assert ("259" in kinds, "263" in kinds, "142" in kinds) == (bool(esp), not esp, layout == Layout.LVM)
    storage = json.loads(seed_files(systems()[AGAMA], VM_ID, spec, SECRETS)["autoinst.json"])["storage"]
    groups = [volume for group in storage.get("volumeGroups", []) for volume in group["logicalVolumes"]]
    parts = [part for part in storage["drives"][0]["partitions"] if "filesystem" in part]
    assert {part["filesystem"]["path"] for part in parts + groups} == mounts
    assert bool(groups) == (layout == Layout.LVM)


@pytest.mark.parametrize("row", ROWS)
def test_what_a_row_refuses_is_named(row: str) -> None:
    spec = a_spec(os=row, mirror="http://mirror.example.org/x")
    with pytest.raises(Invalid) as refused:
        seed_files(systems()[row], VM_ID, spec, Secrets(first_boot="#cloud-config\n{}\n"))
    assert [problem.pointer for problem in refused.value.problems] == ["/first_boot", "/mirror"]


ANY = st.text(max_size=80) | st.sampled_from(
    [
        "",
        "<x/>",
        "]]>",
        "&amp;",
        '"',
        "'",
        "\\",
        "%end",
        "{{ 1 }}",
        "\x00",
        "\u202e",
        "\u2028",
        "a\nb",
        "$(x)",
        "x" * 65536,
    ]
)


@given(text=ANY, row=st.sampled_from([YAST[0], AGAMA]))
@settings(deadline=None)
def test_hostile_text_is_refused_or_only_data(text: str, row: str) -> None:
    spec = a_spec(os=row, users=(UserSpec("ops", (text,)),))
    try:
        files = seed_files(systems()[row], VM_ID, spec, Secrets({}, "#!" + text))
    except Invalid:
        files = seed_files(systems()[row], VM_ID, a_spec(os=row), Secrets({}, "#!" + text))
    else:
        if row == AGAMA:
            assert put(files)["$home/.ssh/authorized_keys"][0].encode("latin-1").decode() == text + "\n"
        else:
            keys = profile(files).find(f"{NS}users/{NS}user[2]/{NS}authorized_keys")
            assert [key.text or "" for key in keys] == [text]
    assert put(files)["/usr/local/sbin/innkeeper-first-boot"][0].encode("latin-1").decode() == "#!" + text


FIELDS = ["hostname", "domain", "locale", "timezone", "keyboard", "packages", "ntp", "proxy", "ca_certificates"]


@given(text=ANY, field=st.sampled_from(FIELDS), row=st.sampled_from([YAST[0], AGAMA]))
@settings(deadline=None)
def test_hostile_words_are_refused_by_field_or_change_no_structure(text: str, field: str, row: str) -> None:
    several = field in ("packages", "ntp", "ca_certificates")
    problems: list[str] = []
    try:
        files = seed_files(systems()[row], VM_ID, a_spec(os=row, **{field: (text,) if several else text}), SECRETS)
    except Invalid as error:
        problems = [problem.pointer for problem in error.problems]
    else:
        plain = seed_files(systems()[row], VM_ID, a_spec(os=row, **WHOLE), SECRETS)
        assert set(put(files)) <= set(put(plain))
        if row == AGAMA:
            assert set(json.loads(files["autoinst.json"])) == set(json.loads(plain["autoinst.json"]))
        else:
            assert {tag.tag for tag in profile(files)} <= {tag.tag for tag in profile(plain)} | {f"{NS}proxy"}
    assert set(problems) <= {f"/{field}"}


@pytest.mark.parametrize("row", ROWS)
def test_a_script_with_half_a_character_is_refused(row: str) -> None:
    with pytest.raises(Invalid):
        seed_files(systems()[row], VM_ID, a_spec(os=row), Secrets(first_boot="#!\ud800"))
