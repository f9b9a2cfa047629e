# SPDX-License-Identifier: Apache-2.0
"""Answer files for Anaconda: golden files, ksvalidator's verdict, and pykickstart's own reading compared with what
was asked. The scripts in them are run by a shell, in a folder of their own."""

import re
import subprocess
import warnings
from base64 import b64decode
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pykickstart.parser import KickstartParser  # type: ignore[import-untyped]
from pykickstart.version import makeVersion  # type: ignore[import-untyped]

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.network import Bond, NetworkModel, Vlan
from services.common.contracts.vm import Secrets, UserSpec
from services.imagebuilder.dialects import networkmanager
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.seed import seed_files
from tests.support.answers import compare_with_golden, rows_of
from tests.support.imaging import COLUMNS, MAC, SECRETS, VM_ID, a_spec
from tests.support.judges import ksvalidator_refuses

ROWS = [*rows_of("el"), *rows_of("fedora")]
ONE_OF_EACH = [
    "rocky-8-installer",
    "rocky-9-installer",
    "rocky-10-installer",
    "fedora-44-installer",
    "fedora-45-installer",
]
PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"
FULL: dict[str, Any] = {
    "packages": ("nginx", "gcc-c++"),
    "ntp": ("time.example.org", "192.0.2.123"),
    "mirror": "https://mirror.example.org/9/BaseOS/x86_64/os",
    "proxy": "http://proxy.example.org:3128",
    "ca_certificates": (PEM, PEM),
    "keyboard": "de",
    "timezone": "Europe/Berlin",
    "locale": "de_DE.UTF-8",
}
BARE = {**FULL, "guest_agent": False}
TWICE = r"A network device with the name \S+ has already been defined\."
SCRIPT = "#!/bin/sh\necho '%end' \"$HOME\" `id`\nEND\n"


def version_of(row: str) -> str:
    entry = systems()[row]
    return f"F{entry.version}" if entry.family == "fedora" else f"RHEL{entry.version}"


def written(row: str, secrets: Secrets = SECRETS, column: str = "N2-one-static-v4", **changes: Any) -> str:
    model = COLUMNS[column]
    links = {"nics": model.nics, "bonds": model.bonds, "vlans": model.vlans}
    files = seed_files(systems()[row], VM_ID, a_spec(os=row, **{**links, **changes}), secrets)
    assert list(files) == ["ks.cfg"]
    return files["ks.cfg"].decode()


def read(row: str, text: str) -> Any:
    """The file as pykickstart understands it; what it warns of fails."""
    parser = KickstartParser(makeVersion(version_of(row)), missingIncludeIsFatal=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # It takes a VLAN's line for a second one of its bond; Anaconda knows the difference.
        warnings.filterwarnings("ignore", message=TWICE)
        parser.readKickstartFromString(text)
    return parser.handler


def post(text: str) -> str:
    found = re.findall(r"^%post[^\n]*\n(.*?)^%end$", text, re.M | re.S)
    assert len(found) == 1
    return str(found[0])


def payload(text: str, path: str) -> bytes:
    """What the %post script writes into this file."""
    found = re.search(rf'^write "?{re.escape(path)}"? \S+ <<END\n(\S*)\nEND$', text, re.M)
    assert found, path
    return b64decode(found[1], validate=True)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("column", COLUMNS)
def test_each_cell_is_what_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column, guest_agent=False)


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_one_version_get_the_same_file(row: str) -> None:
    alike = next(other for other in ONE_OF_EACH if version_of(other) == version_of(row))
    assert written(row, **FULL) == written(alike, **FULL)


@pytest.mark.parametrize("row", ONE_OF_EACH)
def test_ksvalidator_takes_every_column(row: str, tmp_path: Path) -> None:
    files = []
    for layout, column in zip(["whole", "lvm", "home"] * len(COLUMNS), COLUMNS, strict=False):
        files.append(tmp_path / f"{column}.cfg")
        files[-1].write_text(written(row, column=column, layout=layout, **FULL))
    assert ksvalidator_refuses(version_of(row), files, tmp_path / "copies") == ""
    broken = tmp_path / "broken.cfg"
    broken.write_text(files[0].read_text() + "nonsense --yes\n")
    assert "nonsense" in ksvalidator_refuses(version_of(row), [broken], tmp_path / "copies")


@pytest.mark.parametrize("row", ONE_OF_EACH)
@pytest.mark.parametrize("column", [name for name, model in COLUMNS.items() if not (model.bonds or model.vlans)])
def test_the_installer_s_network_is_the_model_s_as_far_as_it_goes(row: str, column: str) -> None:
    lines = [data for data in read(row, written(row, column=column)).network.network if data.device]
    assert_lines_say(lines, COLUMNS[column], {nic.mac: nic.mac for nic in COLUMNS[column].nics})


def assert_lines_say(lines: list[Any], model: NetworkModel, cards: dict[str, str]) -> None:
    """`cards` is what a card is called in the lines, by its MAC."""
    by_device = {(line.device, str(line.vlanid or "")): line for line in lines}
    assert len(by_device) == len(lines)
    links = [link for _, _, link in model.links() if link.configured or isinstance(link, Bond)]
    assert len(lines) == len(links)
    for link in links:
        if isinstance(link, Vlan):
            line = by_device[cards.get(link.over, link.over), str(link.id)]
            assert line.interfacename == link.name
        else:
            line = by_device[link.name if isinstance(link, Bond) else cards[link.mac], ""]
        if isinstance(link, Bond):
            assert line.bondslaves.split(",") == [cards[mac] for mac in link.members]
            assert line.bondopts.startswith(f"mode={link.mode},")
        interfaces = [ip_interface(text) for text in link.addresses]
        v4 = [i for i in interfaces if i.version == 4]
        v6 = [i for i in interfaces if i.version == 6]
        default4 = link.gateway4 or next((r.via for r in link.routes if r.to == "0.0.0.0/0"), "")
        assert (line.bootProto == "dhcp" and not line.noipv4) == link.dhcp4
        assert line.ip == (str(v4[0].ip) if v4 else "")
        assert not v4 or ip_interface(f"{line.ip}/{line.netmask}") == v4[0]
        assert (line.gateway, line.ipv6gateway) == (default4, link.gateway6)
        assert not v6 or ip_interface(line.ipv6) == v6[0]
        assert line.nodefroute == (not link.default_route)
        assert [text for text in line.nameserver.split(",") if text] == list(link.dns)
        assert (line.mtu or "0") == str(link.mtu)
        assert line.activate


@pytest.mark.parametrize("column", ["N10-vlan-on-a-card", "N11-bonds-and-vlan"])
def test_bonds_and_vlans_find_their_cards_by_mac(column: str, tmp_path: Path) -> None:
    text, model = written("rocky-9-installer", column=column), COLUMNS[column]
    (included,) = re.findall(r"^%include (\S+)$", text, re.M)
    (script,) = re.findall(r"^%pre --erroronfail\n(.*?)^%end$", text, re.M | re.S)
    names = {nic.mac: f"enp{n}s0" for n, nic in enumerate(model.nics)}
    for mac, name in names.items():
        (tmp_path / "net" / name).mkdir(parents=True)
        (tmp_path / "net" / name / "address").write_text(f"{mac}\n")
    script = script.replace("/sys/class/net", str(tmp_path / "net")).replace(included, str(tmp_path / "network.ks"))
    subprocess.run(["sh", "-c", script], check=True, capture_output=True)
    lines = read("rocky-9-installer", (tmp_path / "network.ks").read_text()).network.network
    assert_lines_say(lines, NetworkModel((), model.bonds, model.vlans), names)
    (tmp_path / "net" / "enp0s0" / "address").write_text("52:54:00:00:00:99\n")
    failed = subprocess.run(["sh", "-c", script], check=False, capture_output=True, text=True)
    assert failed.returncode
    assert f"no card has the MAC {MAC(1)}" in failed.stderr


@pytest.mark.parametrize("column", COLUMNS)
def test_the_installed_system_gets_networkmanager_s_keyfiles(column: str, tmp_path: Path) -> None:
    model = COLUMNS[column]
    script = networkmanager.render(model, "h").decode()
    assert script in post(written("alma-9-installer", column=column)) + "\n"
    subprocess.run(["sh", "-ec", script.replace("/etc/", f"{tmp_path}/")], check=True, capture_output=True)
    folder = tmp_path / "NetworkManager/system-connections"
    assert {path.name: path.read_text() for path in folder.iterdir()} == networkmanager.keyfiles(model)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    links = (tmp_path / "systemd/network").glob("*")
    assert {path.name: path.read_text() for path in links} == networkmanager.link_files(model)


@pytest.mark.parametrize("row", ONE_OF_EACH)
def test_all_that_was_asked_for_is_read_back(row: str) -> None:
    text = written(row, Secrets(SECRETS.password_hashes, first_boot=SCRIPT), **FULL)
    ks = read(row, text)
    users = {user.name: user for user in ks.user.userList}
    assert (users["ops"].password, users["ops"].isCrypted) == (SECRETS.password_hashes["ops"], True)
    assert (users["ops"].groups, users["ops"].lock) == (["wheel"], False)
    assert (users["guest"].groups, users["guest"].lock, users["guest"].password) == ([], True, "")
    assert [(key.username, key.key) for key in ks.sshkey.sshUserList] == [("ops", "ssh-ed25519 AAAAC3Nz ops@desk")]
    assert (ks.rootpw.lock, ks.rootpw.password) == (True, "")
    assert (ks.lang.lang, ks.keyboard.x_layouts, ks.timezone.timezone) == ("de_DE.UTF-8", ["de"], "Europe/Berlin")
    servers = ks.timezone.ntpservers if version_of(row) == "RHEL8" else [s.ntp_server for s in ks.timesource.dataList()]
    assert sorted(servers) == sorted(FULL["ntp"])
    assert (ks.url.url, ks.url.proxy) == (FULL["mirror"], FULL["proxy"])
    assert {"nginx", "gcc-c++", "qemu-guest-agent"} <= set(ks.packages.packageList)
    assert not ks.packages.excludedList
    assert [data.hostname for data in ks.network.network if data.hostname] == ["web-1.example.org"]
    assert payload(text, "/usr/libexec/innkeeper-first-boot").decode() == SCRIPT
    assert payload(text, guest_agent.PYZ_PATH) == guest_agent.pyz()
    assert payload(text, guest_agent.UNIT_PATH).decode() == guest_agent.UNIT
    assert 'innkeeper-"2".pem' in text
    assert "printf '%s ALL=(ALL) NOPASSWD:ALL\\n' \"ops\"" in text
    assert '"guest" >>' not in text


@pytest.mark.parametrize("row", ONE_OF_EACH)
@pytest.mark.parametrize(
    "layout, mounts",
    [("whole", ["/"]), ("lvm", ["pv.01"]), ("home", ["/", "/home"])],
)
def test_the_disk_is_divided_as_asked(row: str, layout: str, mounts: list[str]) -> None:
    ks = read(row, written(row, layout=layout))
    assert [part.mountpoint for part in ks.partition.partitions] == mounts
    assert sorted(volume.mountpoint for volume in ks.logvol.lvList) == (["/", "swap"] if layout == "lvm" else [])
    assert (ks.reqpart.reqpart, ks.reqpart.addBoot) == (True, layout == "lvm")


def test_without_a_mirror_the_packages_come_from_the_medium() -> None:
    assert read("rocky-9-installer", written("rocky-9-installer")).cdrom.seen


def test_the_guest_s_agent_is_left_out_when_nobody_wants_it() -> None:
    text = written("rocky-9-installer", guest_agent=False)
    assert "qemu-guest-agent" not in text
    assert guest_agent.UNIT_NAME not in text


def test_a_cloud_config_is_refused_for_there_is_no_cloud_init() -> None:
    with pytest.raises(Invalid) as refused:
        written("rocky-9-installer", Secrets(first_boot="#cloud-config\n{}\n"))
    assert [problem.pointer for problem in refused.value.problems] == ["/first_boot"]


@pytest.mark.parametrize("row", ONE_OF_EACH)
def test_the_script_for_the_installed_system_is_a_shell_s(row: str) -> None:
    text = post(written(row, Secrets(SECRETS.password_hashes, first_boot=SCRIPT), **FULL))
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        'x" --password="y',
        "a\nrootpw secret",
        "%end",
        "%include /etc/passwd",
        "$(reboot)",
        "`id`",
        "a; reboot",
        "# x",
        "a\\",
        "\x00",
        "\u202ex",
        "\u2028rootpw x",
        "]]>",
        "!!python/object:x",
        "k" * 65536,
    ]
)


def shape(row: str, text: str) -> tuple[Any, ...]:
    """What must be the same whatever a string says."""
    ks = read(row, text)
    commands = [name for name, command in ks.commands.items() if command and getattr(command, "seen", False)]
    sections = [(script.type, script.interp) for script in ks.scripts]
    return commands, sections, len(ks.user.userList), len(ks.sshkey.sshUserList), ks.rootpw.lock


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(row=st.sampled_from(ONE_OF_EACH), value=HOSTILE)
def test_a_key_is_data_or_refused(row: str, value: str) -> None:
    try:
        text = written(row, users=(UserSpec("ops", (value,)),), guest_agent=False)
    except Invalid:
        return
    assert [key.key for key in read(row, text).sshkey.sshUserList] == [value]
    assert shape(row, text) == shape(row, written(row, users=(UserSpec("ops", ("k",)),), guest_agent=False))


WORDS = ["hostname", "domain", "locale", "keyboard", "timezone", "mirror", "proxy"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(row=st.sampled_from(ONE_OF_EACH), field=st.sampled_from([*WORDS, "packages", "ntp"]), value=HOSTILE)
def test_a_word_is_data_or_refused(row: str, field: str, value: str) -> None:
    asked: Any = value if field in WORDS else (value,)
    try:
        text, pointers = written(row, **{**BARE, field: asked}), [f"/{field}"]
    except Invalid as refused:
        text, pointers = "", [problem.pointer for problem in refused.problems]
    assert pointers == [f"/{field}"]
    if not text:
        return
    expected = written(row, **BARE) if asked else written(row, **{**BARE, field: ""})
    assert shape(row, text) == shape(row, expected)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(row=st.sampled_from(ONE_OF_EACH), value=HOSTILE)
def test_any_script_arrives_as_it_was_written(row: str, value: str) -> None:
    script = f"#!/bin/sh\n{value}"
    try:
        text = written(row, Secrets(first_boot=script), guest_agent=False)
    except Invalid:
        return
    assert payload(text, "/usr/libexec/innkeeper-first-boot").decode() == script
    assert shape(row, text) == shape(row, written(row, Secrets(first_boot="#!/bin/sh\n"), guest_agent=False))
