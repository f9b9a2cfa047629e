# SPDX-License-Identifier: Apache-2.0
"""The NoCloud seed: golden files, the same bytes each time, and values that stay values."""

import email
import os
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import pycdlib
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Secrets, UserSpec, VmSpec
from services.imagebuilder.iso import iso_image
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.seed import seed_files
from tests.support.answers import NOBODY, answer_files
from tests.support.imaging import SECRETS, SPEC, VM_ID, a_nic, a_spec

GOLDEN = Path(__file__).parents[2] / "golden" / "imagebuilder"
CASES: dict[str, tuple[VmSpec, Secrets]] = {
    "users-and-password": (SPEC, SECRETS),
    "least": (a_spec(users=(), domain=""), Secrets()),
    "packages-keyboard-no-agent": (
        a_spec(users=(), packages=("nginx", "vim"), keyboard="de", guest_agent=False, timezone="Europe/Berlin"),
        Secrets(),
    ),
    "script": (SPEC, Secrets(first_boot="#!/bin/sh\necho 'hello'\n")),
    "cloud-config": (SPEC, Secrets(first_boot="#cloud-config\nruncmd: [[touch, /tmp/x]]\n")),
}


def files_of(spec: VmSpec, secrets: Secrets = SECRETS, os_name: str = "debian-12") -> dict[str, bytes]:
    return seed_files(systems()[os_name], VM_ID, spec, secrets)


def user_data(spec: VmSpec, secrets: Secrets = SECRETS, os_name: str = "debian-12") -> Any:
    return yaml.safe_load(files_of(spec, secrets, os_name)["user-data"])


def parts_of(spec: VmSpec, secrets: Secrets) -> list[Any]:
    """The parts of MIME user-data, as the standard library reads them."""
    message: Any = email.message_from_bytes(files_of(spec, secrets)["user-data"])
    parts: list[Any] = message.get_payload()
    return parts


@pytest.mark.parametrize("case", CASES)
def test_user_data_is_written_as_its_golden_file_says(case: str) -> None:
    written = files_of(*CASES[case])["user-data"].decode()
    golden = GOLDEN / "user-data" / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(written)
    assert written == golden.read_text()


def test_the_instance_id_is_the_vms_own_and_outlives_a_second_build() -> None:
    assert yaml.safe_load(files_of(SPEC)["meta-data"]) == {"instance-id": VM_ID, "local-hostname": "web-1"}


def test_an_image_without_our_agent_is_given_it_by_the_seed() -> None:
    document = user_data(SPEC, os_name="ubuntu-24.04")
    written = {file["path"]: b64decode(file["content"]) for file in document["write_files"]}
    assert written == {guest_agent.PYZ_PATH: guest_agent.pyz(), guest_agent.UNIT_PATH: guest_agent.UNIT.encode()}
    assert ["systemctl", "enable", "--now", guest_agent.UNIT_NAME] in document["runcmd"]


@pytest.mark.parametrize("case", ["script", "cloud-config"])
def test_first_boot_is_a_second_part_as_it_was_given(case: str) -> None:
    spec, secrets = CASES[case]
    ours, theirs = parts_of(spec, secrets)
    assert yaml.safe_load(ours.get_payload(decode=True))["hostname"] == "web-1"
    assert theirs.get_payload(decode=True).decode() == secrets.first_boot
    assert theirs.get_content_type() == ("text/x-shellscript" if case == "script" else "text/cloud-config")


@pytest.mark.parametrize(
    "changes, secrets, pointer",
    [
        ({"hostname": "a b"}, SECRETS, "/hostname"),
        ({"locale": "de_DE"}, SECRETS, "/locale"),
        ({"timezone": "../../etc/passwd"}, SECRETS, "/timezone"),
        ({"domain": "x\ny"}, SECRETS, "/domain"),
        ({"keyboard": '"; rm'}, SECRETS, "/keyboard"),
        ({"packages": ("--purge",)}, SECRETS, "/packages"),
        ({"users": (UserSpec("a:b"),)}, SECRETS, "/users"),
        ({}, Secrets(first_boot="echo no"), "/first_boot"),
        ({}, Secrets(password_hashes={"ops": "plain"}), "/users"),
    ],
)
def test_what_no_guest_can_use_is_refused_by_field(changes: dict[str, Any], secrets: Secrets, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        files_of(a_spec(**changes), secrets)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert "plain" not in str(refused.value.problems)


ANY = st.text(max_size=60) | st.sampled_from(
    ["yes", "null", "1e3", "{{ 1 }}", "#!", "a: b", "- x", "'", '"', "\n", "\u0085", "\ufeff"]
)


@given(key=ANY)
def test_hostile_strings_appear_only_as_data(key: str) -> None:
    try:
        document = user_data(a_spec(users=(UserSpec("ops", (key,)),)))
    except Invalid as refused:
        pointers = [problem.pointer for problem in refused.problems]
    else:
        pointers = ["/users/0/ssh_keys/0"]
        assert document["users"][0]["ssh_authorized_keys"] == [key]
        assert list(document) == list(user_data(a_spec(users=(UserSpec("ops", ("k",)),))))
    assert pointers == ["/users/0/ssh_keys/0"]


@given(value=ANY, field=st.sampled_from(["hostname", "domain", "locale", "timezone", "keyboard"]))
def test_a_word_of_the_spec_is_written_as_it_is_or_refused(value: str, field: str) -> None:
    try:
        document = user_data(a_spec(**{field: value}))
    except Invalid as error:
        pointers = [problem.pointer for problem in error.problems]
    else:
        assert list(document) in (list(user_data(SPEC)), list(user_data(a_spec(keyboard="de"))))
        assert document.get(field, value) == value
        pointers = [f"/{field}"]
    assert pointers == [f"/{field}"]


@given(text=st.text(max_size=200))
def test_any_script_arrives_as_it_was_written(text: str) -> None:
    script = "#!/bin/sh\n" + text
    assert parts_of(SPEC, Secrets(first_boot=script))[1].get_payload(decode=True).decode() == script


# Other systems' answers are no disc but an archive, laid into the medium or beside its initial RAM disk.
DISCS = {name: entry.label for name, entry in sorted(systems().items()) if not (entry.master and entry.master.answers)}


@pytest.mark.parametrize("os_name", sorted(systems()))
def test_the_same_input_gives_the_same_bytes_whenever_it_is_made(os_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = answer_files(os_name, "N2-one-static-v4")
    disc = iso_image(files) if os_name in DISCS else b""
    monkeypatch.setattr("time.time", lambda: 4e9)
    again = answer_files(os_name, "N2-one-static-v4")
    assert again == files
    assert (iso_image(again) if os_name in DISCS else b"") == disc


@pytest.mark.parametrize("os_name", [name for name, label in DISCS.items() if label == "CIDATA"])
def test_the_disc_is_called_cidata_and_reads_back(os_name: str) -> None:
    files = answer_files(os_name, "N7-three-mixed")
    content = iso_image(files)
    assert content[32808:32840].rstrip() == b"CIDATA"
    for facade in ("rr_path", "joliet_path"):
        for path, expected in files.items():
            disc = pycdlib.PyCdlib()
            disc.open_fp(BytesIO(content))
            out = BytesIO()
            disc.get_file_from_iso_fp(out, **{facade: f"/{path}"})
            disc.close()
            assert out.getvalue() == expected


def test_the_mini_guest_gets_its_own_file_beside_the_nocloud_ones() -> None:
    files = files_of(a_spec(nics=(a_nic(dhcp4=True),), **NOBODY), os_name="mini")
    assert sorted(files) == ["innkeeper/mini.net", "meta-data", "network-config", "user-data"]
    assert b"$6$" not in b"".join(files.values())
