# SPDX-License-Identifier: Apache-2.0
"""Debian by its own installer: golden files, debconf's and ifupdown's judgement, and reading back what was written."""

import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.network import NetworkModel, Vlan
from services.common.contracts.vm import Firmware, Layout, Secrets, UserSpec
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.seed import seed_files
from tests.support.answers import answer_files, compare_with_golden, rows_of
from tests.support.imaging import COLUMNS, MAC, SECRETS, VM_ID, a_nic, a_spec
from tests.support.missing import missing
from tests.support.unpacked import run_from, unpacked

ROWS = rows_of("debian-installer")
ROW = "debian-12-installer"


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_written_as_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column, guest_agent=False)


@pytest.mark.parametrize("layout", [Layout.WHOLE, Layout.LVM, Layout.HOME])
@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.UEFI])
@pytest.mark.parametrize("column", ["N1-one-dhcp", "N4-v6-only", "N11-bonds-and-vlan"])
def test_debconf_takes_every_preseed(column: str, layout: str, firmware: str, tmp_path: Path) -> None:
    if not shutil.which("debconf-set-selections"):
        missing("debconf-set-selections, of the package debconf")
    preseed = tmp_path / "preseed.cfg"
    preseed.write_bytes(answer_files(ROW, column, layout=layout, firmware=firmware)["preseed.cfg"])
    done = subprocess.run(["debconf-set-selections", "-c", preseed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def questions(preseed: bytes) -> dict[str, str]:
    """Question -> value, with continuation lines joined: what debconf makes of it."""
    joined = re.sub(r"\\\n\s*", " ", preseed.decode())
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return {line.split()[1]: " ".join(line.split(maxsplit=3)[3:]) for line in lines}


def test_a_preseed_says_what_was_asked() -> None:
    asked = {
        "mirror": "https://mirror.example:8443/pub/debian",
        "proxy": "http://proxy.example:3128",
        "ntp": ("ntp.example",),
    }
    said = questions(
        answer_files(ROW, "N2-one-static-v4", packages=("vim", "htop"), layout=Layout.LVM, **asked)["preseed.cfg"]
    )
    assert (said["mirror/protocol"], said["mirror/https/hostname"]) == ("https", "mirror.example:8443")
    assert (said["mirror/https/directory"], said["mirror/https/proxy"]) == ("/pub/debian", "http://proxy.example:3128")
    assert said["clock-setup/ntp-server"] == "ntp.example"
    assert said["pkgsel/include"].split()[-2:] == ["vim", "htop"]
    assert (said["netcfg/get_ipaddress"], said["netcfg/get_gateway"]) == ("192.0.2.10", "192.0.2.1")
    assert said["netcfg/choose_interface"] == MAC(1)
    assert (said["partman-auto/method"], said["passwd/root-password-crypted"]) == ("lvm", "!*")


@pytest.mark.parametrize("layout, mounted", [("whole", {"/"}), ("lvm", {"/", "/boot"}), ("home", {"/", "/home"})])
@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.UEFI])
def test_a_recipe_has_the_file_systems_of_its_layout(layout: str, mounted: set[str], firmware: str) -> None:
    recipe = questions(answer_files(ROW, "N1-one-dhcp", layout=layout, firmware=firmware)["preseed.cfg"])[
        "partman-auto/expert_recipe"
    ]
    assert set(re.findall(r"mountpoint\{ (\S+) \}", recipe)) == mounted
    assert ("method{ efi }" in recipe) == (firmware == Firmware.UEFI)
    for partition in recipe.removeprefix("innkeeper :: ").removesuffix(" .").split(" . "):
        least, priority, most = (int(number) for number in partition.split()[:3])
        assert least <= priority
        assert most == -1 or most >= least


@pytest.mark.parametrize("column", COLUMNS)
def test_every_script_is_one_a_shell_can_read(column: str) -> None:
    for content in answer_files(ROW, column, ca_certificates=(PEM,), ntp=("192.0.2.1",)).values():
        if content.startswith(b"#!"):
            assert subprocess.run(["sh", "-n"], input=content, check=False, capture_output=True).stderr == b""


PEM = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"


def test_the_guest_agent_is_put_into_the_system_and_starts_with_it() -> None:
    script = answer_files(ROW, "N1-one-dhcp", guest_agent=True)["innkeeper/setup.sh"].decode()
    for path in (guest_agent.PYZ_PATH, guest_agent.UNIT_PATH):
        assert re.search(rf"base64 -d >'{path}'\nchmod", script)
    assert f"systemctl enable '{guest_agent.UNIT_NAME}'" in script


@pytest.fixture(scope="module")
def ifupdown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("ifupdown"), "ifupdown")


@pytest.mark.parametrize("column", [c for c, m in COLUMNS.items() if not any(n.dhcp4 for n in m.nics)])
def test_ifupdown_would_do_what_was_asked(column: str, ifupdown: Path, tmp_path: Path) -> None:
    model, file = COLUMNS[column], tmp_path / "interfaces"
    file.write_bytes(DIALECTS["ifupdown"](model, "web-1"))
    dry = ("-n", "-a", "-v", "--force", f"--interfaces={file}", f"--state-dir={tmp_path}")
    done = run_from(ifupdown, "ifup", *dry)
    assert done.returncode == 0, done.stderr
    commands = [line.split() for line in (done.stdout + done.stderr).splitlines()]
    for _, name, link in model.links():
        mine = [words for words in commands if name in words]
        added = {ip_interface(w[w.index("add") + 1]) for w in mine if "addr" in w and "add" in w}
        assert added == {ip_interface(text) for text in link.addresses}
        gateways = {ip_address(w[w.index("via") + 1]) for w in mine if "default" in w}
        assert gateways == {ip_address(text) for text in (link.gateway4, link.gateway6) if text}
        routes = {(w[w.index("add") + 1], w[w.index("via") + 1]) for w in mine if "route" in w and "default" not in w}
        assert routes == {(route.to, route.via) for route in link.routes}
        assert [w[w.index("mtu") + 1] for w in mine if "mtu" in w] == ([str(link.mtu)] if link.mtu else [])
    for vlan in model.vlans:
        assert ["type", "vlan", "id", str(vlan.id)] in [words[-4:] for words in commands]
    for bond in model.bonds:
        cards = [words[4] for words in commands if words[-2:] == ["master", bond.name]]
        assert cards == [model.nic_name(nic) for nic in model.nics if model.bond_of(nic) is bond]


@pytest.mark.parametrize("column", COLUMNS)
def test_each_card_gets_its_name_by_its_mac(column: str) -> None:
    script = DIALECTS["debian_target"](COLUMNS[column], "web-1").decode()
    files = dict(re.findall(r"^cat >(\S+) <<'END'\n(.*?)^END\n", script, re.M | re.S))
    links = {path: text for path, text in files.items() if path.endswith(".link")}
    named = {re.findall("PermanentMACAddress=(.*)", t)[0]: re.findall("Name=(.*)", t)[0] for t in links.values()}
    assert named == {nic.mac: COLUMNS[column].nic_name(nic) for nic in COLUMNS[column].nics}


def test_a_link_whose_default_route_is_unwanted_is_told_to_both_dhcp_clients() -> None:
    script = DIALECTS["debian_target"](COLUMNS["N5-static-and-dhcp-without-its-default-route"], "h").decode()
    assert "eth1) unset new_routers new_rfc3442_classless_static_routes ;;" in script
    assert "interface eth1\nnogateway\n" in script


REFUSED = [
    ("ifupdown", NetworkModel((a_nic(dhcp6=True, default_route=False),)), "/networks/0/default_route"),
    ("ifupdown", NetworkModel((a_nic(dhcp4=True, dns=("192.0.2.53",)),)), "/networks/0/dns"),
    (
        "debian_target",
        NetworkModel((a_nic(1, dhcp4=True), a_nic(2, addresses=("192.0.2.1/24",), search=("a",)))),
        "/networks/1/search",
    ),
    ("netcfg", NetworkModel((a_nic(),), vlans=(Vlan("v", 5, MAC(1), addresses=("192.0.2.1/24",)),)), "/networks"),
]


@pytest.mark.parametrize("dialect, model, pointer", REFUSED)
def test_what_a_dialect_cant_say_is_refused_by_field(dialect: str, model: NetworkModel, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        DIALECTS[dialect](model, "h")
    assert [problem.pointer for problem in refused.value.problems] == [pointer]


def test_a_first_boot_that_needs_cloud_init_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        seed_files(systems()[ROW], VM_ID, a_spec(os=ROW), Secrets(first_boot="#cloud-config\n{}"))
    assert [problem.pointer for problem in refused.value.problems] == ["/first_boot"]


HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "x'; reboot; '",
        "a\nd-i x/y string z",
        "$(reboot)",
        "END\nreboot\ncat <<'END'",
        "\x00",
        "\u202e",
        "\\",
        "x" * 65536,
    ]
)


def counts(files: dict[str, bytes]) -> dict[str, int]:
    """Questions of the preseed; commands of the scripts as a shell counts them, quotes and here-documents kept."""
    found: dict[str, int] = defaultdict(int)
    found["preseed"] = len(questions(files["preseed.cfg"]))
    for path in ("innkeeper/setup.sh", "innkeeper/network.sh"):
        bare = re.sub(r"'[^']*'", "''", files[path].decode().replace("'\"'\"'", ""))
        found[path] = len(bare.splitlines())
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=HOSTILE)
def test_no_text_becomes_a_line_or_a_command(text: str) -> None:
    plain = counts(_with("plain"))
    for field in ("key", "package", "domain", "ntp", "mirror", "user", "search"):
        try:
            files = _with(text, field)
        except Invalid:
            continue
        assert counts(files) == plain


def _with(text: str, field: str = "key") -> dict[str, bytes]:
    card = a_nic(addresses=("192.0.2.10/24",), dns=("192.0.2.53",))
    values = {
        "key": "ssh-ed25519 AAAA x", "package": "vim", "domain": "a.example", "ntp": "ntp", "user": "ops",
        "mirror": "http://m/d", "search": "a.example", field: text,
    }  # fmt: skip
    spec = a_spec(
        os=ROW,
        nics=(replace(card, search=(values["search"],)),),
        users=(UserSpec(values["user"], (values["key"],)),),
        packages=(values["package"],),
        domain=values["domain"],
        ntp=(values["ntp"],),
        mirror=values["mirror"],
        guest_agent=False,
    )
    return seed_files(systems()[ROW], VM_ID, spec, Secrets({}, SECRETS.first_boot))


def test_the_installers_own_address_is_one_of_the_guests() -> None:
    for column, model in COLUMNS.items():
        said = questions(DIALECTS["netcfg"](model, "h"))
        if address := said.get("netcfg/get_ipaddress"):
            network = ip_network(f"{address}/{said['netcfg/get_netmask']}", strict=False)
            interfaces = {ip_interface(text) for _, _, link in model.links() for text in link.addresses}
            assert ip_interface(f"{address}/{network.prefixlen}") in interfaces, column
