# SPDX-License-Identifier: Apache-2.0
"""cloud-init itself reads what we give it: its schema takes every user-data, its renderers write every network.

It is unpacked from Debian's packages and run by the system's Python, which those are for; nothing is installed.
"""

import email
import json
import os
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from email.message import Message
from ipaddress import ip_interface
from pathlib import Path

import pytest
import yaml

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.network import Addressing
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.seed import seed_files
from tests.support.addresses import addresses_in
from tests.support.answers import answer_files
from tests.support.arbitrary import a_wish
from tests.support.imaging import COLUMNS, VM_ID
from tests.support.missing import missing
from tests.support.unpacked import unpacked

PYTHON = Path("/usr/bin/python3")
PACKAGES = (
    "cloud-init",
    *(
        f"python3-{name}"
        for name in ("attr", "certifi", "chardet", "charset-normalizer", "configobj", "idna", "jinja2")
    ),
    *(f"python3-{name}" for name in ("json-pointer", "jsonpatch", "jsonschema", "markupsafe", "oauthlib")),
    *(f"python3-{name}" for name in ("requests", "serial", "six", "urllib3", "yaml")),
    *("python3-pyrsistent|python3-rpds-py", "python3-netifaces|python3-referencing"),
)
# Each renderer with a distribution that has it.
RENDERERS = {"eni": "debian", "netplan": "ubuntu", "networkd": "debian", "network-manager": "rhel", "sysconfig": "rhel"}
# Their own cloud-init knows the old words alone.
OLDER = ("debian-11",)
# One process for all of them: starting it takes longer than what it does.
CONVERT = """
import json, sys
from cloudinit.cmd.devel.net_convert import get_parser, handle_args
for words in json.load(sys.stdin):
    handle_args("net-convert", get_parser().parse_args(words))
"""
# The same of `cloud-init schema -c`: {file: (exit status, what it said)}.
JUDGE = """
import contextlib, io, json, sys
from cloudinit.config.schema import get_parser, handle_schema_args
found = {}
for file in json.load(sys.stdin):
    said, status = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = handle_schema_args("schema", get_parser().parse_args(["-c", file]))
        except SystemExit as end:
            said.write(end.code if isinstance(end.code, str) else "")
            status = end.code
    found[file] = (int(isinstance(status, str) or bool(status)), said.getvalue())
json.dump(found, sys.stdout)
"""
CLOUD_ROWS = sorted(name for name, entry in systems().items() if "user-data" in entry.seed)


@pytest.fixture(scope="module")
def cloud_init(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not PYTHON.exists():
        missing(f"{PYTHON}; install: apt-get install python3")
    return unpacked(tmp_path_factory.mktemp("cloud-init"), *PACKAGES)


def run(root: Path, *words: str, told: str = "") -> "subprocess.CompletedProcess[str]":
    # Its renderers leave a folder each where temporary files go.
    modules, litter = str(root / "usr/lib/python3/dist-packages"), str(root.parent)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": modules, "TMPDIR": litter}
    return subprocess.run(
        [str(PYTHON), *words], env=environment, input=told, capture_output=True, text=True, check=False, timeout=120
    )


def schema_says(root: Path, files: list[Path]) -> dict[Path, tuple[int, str]]:
    """(Exit status, words) of `cloud-init schema` for each user-data file."""
    done = run(root, "-c", JUDGE, told=json.dumps([str(file) for file in files]))
    assert done.returncode == 0, done.stderr[-2000:]
    return {Path(file): (status, said) for file, (status, said) in json.loads(done.stdout).items()}


def known_keys(root: Path) -> set[str]:
    """Every key a cloud-config may begin with, from the schema itself: it lets unknown ones pass."""
    (path,) = (root / "usr/lib/python3/dist-packages/cloudinit/config/schemas").glob("schema-cloud-config-v1.json")
    return {
        key
        for definition in json.loads(path.read_text())["$defs"].values()
        for part in (definition, *definition.get("allOf", ()), *definition.get("anyOf", ()))
        for key in part.get("properties", ())
    }


def cloud_config(user_data: bytes) -> bytes:
    """Our own part, where the user's first boot is beside it; of an installer's, the installed system's."""
    if b"\nautoinstall:\n" in user_data:
        user_data = of_the_installed_system(user_data)
    if not user_data.startswith(b"Content-Type: multipart/"):
        return user_data
    parts = email.message_from_bytes(user_data).get_payload()
    assert isinstance(parts, list)
    assert isinstance(parts[0], Message)
    payload = parts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def of_the_installed_system(user_data: bytes) -> bytes:
    """What an installer's late commands put into the installed system's seed."""
    commands = yaml.safe_load(user_data)["autoinstall"]["late-commands"]
    pieces = [re.fullmatch(r"echo (\S+) \| base64 -d >>\S+/user-data", one) for one in commands if isinstance(one, str)]
    return b"".join(b64decode(piece[1]) for piece in pieces if piece)


def user_datas(row: str) -> Iterator[bytes]:
    """Different ones: as golden files have them, and of random wishes."""
    yield answer_files(row, "N1-one-dhcp")["user-data"]
    granted = 0
    for number in range(3_000_000, 3_000_100):
        wish = a_wish(systems()[row], number)
        try:
            files = seed_files(systems()[row], VM_ID, wish.spec, wish.secrets)
        except Invalid:
            continue
        yield files["user-data"]
        granted += 1
        if granted == 3:
            return


@pytest.mark.parametrize("row", CLOUD_ROWS)
def test_its_schema_takes_every_user_data(row: str, cloud_init: Path, tmp_path: Path) -> None:
    known, files = known_keys(cloud_init), []
    for number, content in enumerate(user_datas(row)):
        files.append(tmp_path / f"user-data-{number}")
        files[-1].write_bytes(cloud_config(content))
        assert set(yaml.safe_load(files[-1].read_bytes())) <= known
    for status, said in schema_says(cloud_init, files).values():
        # What it will not take one day counts, too.
        assert status == 0, said
        assert "deprecat" not in said.lower() or row in OLDER, said


def test_its_schema_is_a_judge_that_says_no(cloud_init: Path, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.write_text("#cloud-config\nusers: [{name: 5}]\npackages: 7\n")
    good.write_text("#cloud-config\npackages: [vim]\n")
    found = schema_says(cloud_init, [bad, good])
    assert found[good][0] == 0, found
    assert found[bad][0] == 1, found
    assert "packages" in found[bad][1]
    alone = run(cloud_init, str(cloud_init / "usr/bin/cloud-init"), "schema", "-c", str(bad))
    assert alone.returncode == 1
    assert "packages" in alone.stdout + alone.stderr
    assert {"users", "write_files", "runcmd", "ntp", "ca_certs"} <= known_keys(cloud_init)
    assert "nonsense" not in known_keys(cloud_init)


def converted(root: Path, files: list[tuple[str, Path]]) -> None:
    """Have cloud-init write (renderer, network-config) into a folder beside the file, called as the renderer."""
    words = [
        ["-p", str(path), "-k", "yaml", "-d", str(path.parent / renderer), "-D", RENDERERS[renderer], "-O", renderer]
        for renderer, path in files
    ]
    done = run(root, "-c", CONVERT, told=json.dumps(words))
    assert done.returncode == 0, done.stderr[-2000:]


def addresses(link: Addressing) -> set[str]:
    return {str(ip_interface(text).ip) for text in link.addresses} | ({link.gateway4, link.gateway6} - {""})


@pytest.mark.parametrize("renderer", RENDERERS)
def test_its_renderers_write_every_network_as_the_model_has_it(renderer: str, cloud_init: Path, tmp_path: Path) -> None:
    files = []
    for column, model in COLUMNS.items():
        file = tmp_path / column / "network-config"
        file.parent.mkdir()
        file.write_bytes(DIALECTS["cloud_init_v2"](model, "web-1"))
        files.append((renderer, file))
    converted(cloud_init, files)
    for column, model in COLUMNS.items():
        texts = [path.read_text() for path in (tmp_path / column / renderer).rglob("*") if path.is_file()]
        found = addresses_in("\n".join(texts))
        for _, _, link in model.links():
            assert addresses(link) <= found, column
        assert all(nic.mac in "\n".join(texts) for nic in model.nics if nic.configured), column


def test_a_network_it_cant_read_is_no_network(cloud_init: Path, tmp_path: Path) -> None:
    (tmp_path / "network-config").write_text(
        "version: 2\nethernets: {eth0: {addresses: [192.0.2.1/24], routes: [{to: x}]}}\n"
    )
    with pytest.raises(AssertionError):
        converted(cloud_init, [("networkd", tmp_path / "network-config")])
