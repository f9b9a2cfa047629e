# SPDX-License-Identifier: Apache-2.0
"""Flatcar and Fedora CoreOS: Ignition's own validator, and files read back and compared with the model."""

import json
import os
import select
import shutil
import subprocess
import tty
from base64 import b64decode
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.guest import PORT_NAME
from services.common.contracts.guest_message import read_message
from services.common.contracts.network import Bond, NetworkModel, Nic
from services.common.contracts.vm import Secrets, UserSpec
from services.imagebuilder.dialects import networkd
from services.imagebuilder.iso import iso_image
from services.imagebuilder.seed import seed_files
from tests.support.answers import answer_files, compare_with_golden, rows_of
from tests.support.bootable import xorriso
from tests.support.imaging import COLUMNS, SECRETS, VM_ID, a_nic, a_spec
from tests.support.missing import missing

USER_DATA = "openstack/latest/user_data"
ROWS = [*rows_of("flatcar"), *rows_of("fedora-coreos")]
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
WHOLE: dict[str, Any] = {
    "ntp": ("ntp.example.org", "192.0.2.123"),
    "ca_certificates": (PEM,),
    "timezone": "Europe/Berlin",
}


def read(files: dict[str, bytes]) -> Any:
    return json.loads(files[USER_DATA])


def written(config: Any) -> dict[str, str]:
    """Path -> text of every file of a config."""
    found = {}
    for file in config["storage"]["files"]:
        scheme, _, data = file["contents"]["source"].partition(",")
        assert scheme == "data:;base64"
        found[file["path"]] = b64decode(data, validate=True).decode()
    assert len(found) == len(config["storage"]["files"])
    return found


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column)


@pytest.mark.parametrize("row", ROWS)
def test_ignitions_own_validator_takes_every_column(row: str, tmp_path: Path) -> None:
    program = shutil.which("ignition-validate") or missing("ignition-validate (Debian's package ignition)")
    secrets = Secrets(SECRETS.password_hashes, "#!/bin/sh\necho 'first'\n")
    for column, model in COLUMNS.items():
        spec = a_spec(os=row, nics=model.nics, bonds=model.bonds, vlans=model.vlans, **WHOLE)
        config = tmp_path / f"{column}.ign"
        config.write_bytes(seed_files(systems()[row], VM_ID, spec, secrets)[USER_DATA])
        done = subprocess.run([program, str(config)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), column


@pytest.mark.parametrize("row", ROWS)
def test_everything_asked_for_is_in_the_config(row: str) -> None:
    script = "#!/bin/sh\nprintf '%s' \"]]> %end\"\n"
    config = read(seed_files(systems()[row], VM_ID, a_spec(os=row, **WHOLE), Secrets({"ops": "$6$s$h"}, script)))
    ops, guest = config["passwd"]["users"]
    assert ops == {
        "name": "ops",
        "shell": "/bin/bash",
        "passwordHash": "$6$s$h",
        "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3Nz ops@desk"],
    }
    assert guest == {"name": "guest", "shell": "/bin/bash", "sshAuthorizedKeys": []}
    files = written(config)
    assert files["/etc/hostname"] == "web-1.example.org\n"
    assert files["/etc/sudoers.d/innkeeper-ops"] == "ops ALL=(ALL) NOPASSWD:ALL\n"
    assert "/etc/sudoers.d/innkeeper-guest" not in files
    assert [text for path, text in files.items() if path.endswith(".pem")] == [PEM]
    assert [text for path, text in files.items() if path.endswith("innkeeper-first-boot")] == [script]
    assert any("192.0.2.123" in text for text in files.values())
    assert config["storage"]["links"][0]["target"] == "../usr/share/zoneinfo/Europe/Berlin"
    unit = next(unit for unit in config["systemd"]["units"] if unit["name"] == "innkeeper-first-boot.service")
    assert unit["enabled"]
    assert any(f"ExecStart={path}\n" in unit["contents"] for path in files)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    "changes, first_boot, pointer",
    [
        ({"packages": ("vim",)}, "", "/packages"),
        ({"layout": "lvm"}, "", "/layout"),
        ({"mirror": "http://mirror.example.org/x"}, "", "/mirror"),
        ({"locale": "de_DE.UTF-8"}, "", "/locale"),
        ({}, "#cloud-config\n{}\n", "/first_boot"),
    ],
)
def test_what_an_image_based_system_cant_have_is_refused(
    row: str, changes: dict[str, Any], first_boot: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        seed_files(systems()[row], VM_ID, a_spec(os=row, **changes), Secrets(first_boot=first_boot))
    assert [problem.pointer for problem in refused.value.problems] == [pointer]


def units(column: str) -> dict[str, ConfigParser]:
    """The units of a column as configparser reads them; keys that stand several times are joined by blanks."""
    found = {}
    for path, text in written(read(answer_files("flatcar-stable", column))).items():
        if path.startswith(networkd.FOLDER):
            found[path.removeprefix(f"{networkd.FOLDER}/")] = parsed(text)
    return found


def parsed(text: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    section = number = 0
    for line in text.splitlines():
        if line.startswith("["):
            number += 1
            section = f"{number} {line.strip('[]')}"  # type: ignore[assignment]
            parser.add_section(str(section))
        elif line:
            key, _, value = line.partition("=")
            before = f"{parser[str(section)][key]} " if key in parser[str(section)] else ""
            parser[str(section)][key] = before + value
    return parser


def sections(parser: ConfigParser, title: str) -> list[dict[str, str]]:
    return [dict(parser[name]) for name in parser.sections() if name.endswith(f" {title}")]


@pytest.mark.parametrize("column", COLUMNS)
def test_networkds_units_say_what_the_model_says(column: str) -> None:
    model, found = COLUMNS[column], units(column)
    for _, name, link in model.links():
        unit = found[f"10-{name}.network"]
        (match,), (network,) = sections(unit, "Match"), sections(unit, "Network") or [{}]
        assert match == ({"PermanentMACAddress": link.mac} if isinstance(link, Nic) else {"Name": link.name})
        assert network.get("Address", "").split() == list(link.addresses)
        assert network.get("Gateway", "").split() == [g for g in (link.gateway4, link.gateway6) if g]
        assert network.get("DNS", "").split() == list(link.dns)
        assert network.get("Domains", "").split() == list(link.search)
        routes = [(r["Destination"], r["Gateway"], r.get("Metric")) for r in sections(unit, "Route")]
        assert routes == [(r.to, r.via, None if r.metric is None else str(r.metric)) for r in link.routes]
        assert (network.get("DHCP") == "ipv4") == link.dhcp4
        assert (sections(unit, "DHCPv4") == [{"UseRoutes": "no"}]) == (link.dhcp4 and not link.default_route)
        assert [s["MTUBytes"] for s in sections(unit, "Link") if "MTUBytes" in s] == [str(link.mtu)] * bool(link.mtu)
        assert network.get("VLAN", "").split() == [v.name for v in model.vlans if model.parent(v) is link]
    for bond in model.bonds:
        assert sections(found[f"10-{bond.name}.netdev"], "NetDev") == [{"Name": bond.name, "Kind": "bond"}]
        assert sections(found[f"10-{bond.name}.netdev"], "Bond")[0]["Mode"] == bond.mode
        for mac in bond.members:
            nic = model.nic(mac)
            assert nic is not None
            assert sections(found[f"10-{model.nic_name(nic)}.network"], "Network") == [{"Bond": bond.name}]
    for vlan in model.vlans:
        assert sections(found[f"10-{vlan.name}.netdev"], "VLAN") == [{"Id": str(vlan.id)}]
    names = {name for name in found if name.endswith(".link")}
    assert names == {f"10-{nic.name}.link" for nic in model.nics if nic.name}


def test_advertised_routes_can_be_left_alone_and_a_kernels_name_cant_be_given() -> None:
    text = networkd.units(NetworkModel((a_nic(accept_ra=True, default_route=False),)))["10-eth0.network"]
    assert sections(parsed(text), "IPv6AcceptRA") == [{"DHCPv6Client": "no", "UseGateway": "no"}]
    bonded = NetworkModel((a_nic(1),), (Bond("bond0", (a_nic(1).mac,), dhcp6=True),))
    assert "DHCP=ipv6\nIPv6AcceptRA=yes\n" in networkd.units(bonded)["10-bond0.network"]
    with pytest.raises(Invalid) as refused:
        networkd.units(NetworkModel((a_nic(dhcp4=True, name="eth1"),)))
    assert [problem.pointer for problem in refused.value.problems] == ["/networks/0/name"]


@pytest.mark.parametrize("row", ROWS)
def test_the_seed_is_a_config_drive(row: str, tmp_path: Path) -> None:
    entry, disc = systems()[row], tmp_path / "seed.iso"
    files = seed_files(entry, VM_ID, a_spec(os=row), SECRETS)
    disc.write_bytes(iso_image(files, entry.label))
    assert disc.read_bytes()[32808:32840].rstrip() == b"config-2"
    out = tmp_path / "out"
    xorriso("-osirrox", "on", "-indev", str(disc), "-extract", "/", str(out))
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == files
    meta = json.loads(files["openstack/latest/meta_data.json"])
    assert meta == {"uuid": VM_ID, "name": "web-1", "hostname": "web-1.example.org"}


@pytest.mark.parametrize("row", ROWS)
def test_its_agent_is_started_by_a_unit_and_reports_what_the_host_can_read(row: str, tmp_path: Path) -> None:
    config = read(seed_files(systems()[row], VM_ID, a_spec(os=row), SECRETS))
    unit = next(unit for unit in config["systemd"]["units"] if unit["name"] == "innkeeper-guest.service")
    command = parsed(unit["contents"])["2 Service"]["ExecStart"].split()
    script = tmp_path / "agent"
    script.write_text(written(config)[command[1]])
    modes = {file["path"]: file["mode"] for file in config["storage"]["files"]}
    assert (command[0], modes[command[1]], command[2]) == ("/usr/bin/bash", 0o755, f"/dev/virtio-ports/{PORT_NAME}")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    agent = subprocess.Popen(["bash", str(script), os.ttyname(theirs), *command[3:]], start_new_session=True)
    try:
        said = [read_message(line) for line in heard(ours, 2)]
    finally:
        agent.kill()
        agent.wait()
        os.close(ours)
        os.close(theirs)
    assert [message["type"] for message in said] == ["hello", "report"]
    assert said[0]["agent"] == "innkeeper-shell/1"


def heard(port: int, lines: int) -> list[bytes]:
    data = b""
    while data.count(b"\n") < lines:
        assert select.select([port], [], [], 30)[0], f"silence after {data!r}"
        data += os.read(port, 65536)
    return data.splitlines()[:lines]


@pytest.mark.parametrize("row", ROWS)
def test_without_the_agent_there_is_neither_its_unit_nor_its_script(row: str) -> None:
    config = read(seed_files(systems()[row], VM_ID, a_spec(os=row, guest_agent=False), SECRETS))
    assert config["systemd"]["units"] == []
    assert [path for path in written(config) if path.endswith("innkeeper-guest")] == []


ANY = st.text(max_size=80) | st.sampled_from(
    [
        "",
        '"',
        "\\",
        '"}],"x":[{',
        "]]>",
        "%end",
        "{{ 1 }}",
        "{% raw %}",
        "\x00",
        "\u202e",
        "\u2028",
        "a\nb",
        "x" * 65536,
    ]
)


@given(text=ANY, row=st.sampled_from(ROWS))
@settings(deadline=None)
def test_hostile_text_appears_only_as_data(text: str, row: str) -> None:
    key = text if text.strip() and text.isprintable() and text[0] != "-" else "k"  # what is not one line is refused
    spec = a_spec(os=row, users=(UserSpec("ops", (key,)),))
    config = read(seed_files(systems()[row], VM_ID, spec, Secrets({}, "#!" + text)))
    assert config["passwd"]["users"][0]["sshAuthorizedKeys"] == [key]
    scripts = [content for path, content in written(config).items() if path.endswith("first-boot")]
    assert scripts == ["#!" + text]
    assert set(config) == {"ignition", "passwd", "storage", "systemd"}


FIELDS = ["hostname", "domain", "timezone", "keyboard", "ntp", "ca_certificates", "name", "search"]


@given(text=ANY, field=st.sampled_from(FIELDS), row=st.sampled_from(ROWS))
@settings(deadline=None)
def test_hostile_words_are_refused_or_written_as_they_are(text: str, field: str, row: str) -> None:
    changes: dict[str, Any] = {field: (text,) if field in ("ntp", "ca_certificates") else text}
    if field in ("name", "search"):
        changes = {"nics": (a_nic(dhcp4=True, **{field: (text,) if field == "search" else text}),)}
    try:
        config = read(seed_files(systems()[row], VM_ID, a_spec(os=row, **changes), SECRETS))
    except Invalid as error:
        problems = error.problems
    else:
        plain, problems = written(read(seed_files(systems()[row], VM_ID, a_spec(os=row), SECRETS))), []
        assert len(written(config)) <= len(plain) + 2
        assert [user["name"] for user in config["passwd"]["users"]] == ["ops", "guest"]
    assert all(problem.pointer and problem.fix for problem in problems)


@pytest.mark.parametrize("row", ROWS)
def test_a_script_with_half_a_character_is_refused(row: str) -> None:
    with pytest.raises(Invalid):
        seed_files(systems()[row], VM_ID, a_spec(os=row), Secrets(first_boot="#!\ud800"))
