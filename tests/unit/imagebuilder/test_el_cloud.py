# SPDX-License-Identifier: Apache-2.0
"""Seeds of Rocky's, AlmaLinux's and Fedora's cloud images: golden files, and all of a spec read back as YAML."""

from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.contracts.errors import Invalid
from services.common.contracts.vm import UserSpec
from services.imagebuilder.masters import guest_agent
from tests.support.answers import compare_with_golden, rows_of
from tests.support.cloud_seeds import ASKED, PEM, user_data
from tests.support.imaging import COLUMNS, SECRETS

ROWS = [*rows_of("el-cloud"), *rows_of("fedora-cloud")]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("column", COLUMNS)
def test_each_cell_is_what_its_golden_file_says(row: str, column: str) -> None:
    compare_with_golden(row, column, guest_agent=False)


@pytest.mark.parametrize("row", ROWS)
def test_all_that_was_asked_for_is_read_back(row: str) -> None:
    document = user_data(
        row,
        **ASKED,
        keyboard="de",
        locale="de_DE.UTF-8",
    )
    ops, guest = document["users"]
    assert (ops["groups"], ops["sudo"], ops["lock_passwd"]) == (["wheel"], "ALL=(ALL) NOPASSWD:ALL", False)
    assert ops["passwd"] == SECRETS.password_hashes["ops"]
    assert (guest["name"], guest["lock_passwd"]) == ("guest", True)
    assert not {"groups", "sudo", "passwd"} & set(guest)
    assert document["packages"] == ["qemu-guest-agent", "python3", "glibc-langpack-de", "nginx"]
    assert document["ntp"]["servers"] == ["time.example.org", "192.0.2.123"]
    assert document["bootcmd"][0][-1] == "http://proxy.example.org:3128"
    assert (document["keyboard"], document["locale"]) == ({"layout": "de"}, "de_DE.UTF-8")
    files = {file["path"]: file for file in document["write_files"]}
    assert b64decode(files[guest_agent.PYZ_PATH]["content"]) == guest_agent.pyz()
    anchors = "/etc/pki/ca-trust/source/anchors/innkeeper-{}.pem"
    assert [files[anchors.format(n)]["content"] for n in (1, 2)] == [PEM, PEM]
    assert document["runcmd"][0] == ["update-ca-trust"]
    assert ["systemctl", "enable", "--now", guest_agent.UNIT_NAME] in document["runcmd"]


@pytest.mark.parametrize("row", ROWS)
def test_nobody_is_made_and_nothing_installed_unasked(row: str) -> None:
    document = user_data(row, users=(), guest_agent=False, locale="C.UTF-8")
    assert document["users"] == [""]
    assert not {"packages", "write_files", "runcmd", "bootcmd", "ntp"} & set(document)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("changes", [{"layout": "lvm"}, {"mirror": "https://mirror.example.org/9"}])
def test_what_a_cloud_image_can_t_have_is_refused_by_field(row: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        user_data(row, **changes)
    assert [problem.pointer for problem in refused.value.problems] == [f"/{name}" for name in changes]


LINE = st.text(max_size=60).filter(lambda text: text.isprintable() and bool(text.strip()) and text[0] != "-")
HOSTILE = LINE | st.sampled_from(["yes", "a: b", "x - x", "{{ 1 }}", "!!python/x", "'", '"', "\u3042"])


@given(row=st.sampled_from(ROWS), value=HOSTILE)
def test_a_key_is_data(row: str, value: str) -> None:
    users = (UserSpec("ops", (value,)), UserSpec("guest", ("k", value), sudo=False))
    document = user_data(row, users=users)
    assert [user["ssh_authorized_keys"] for user in document["users"]] == [list(user.ssh_keys) for user in users]
    assert list(document) == list(user_data(row))
