# SPDX-License-Identifier: Apache-2.0
"""Seeds of Alpine's cloud images: golden files, and all of a spec read back; OpenRC instead of systemd."""

import subprocess
from base64 import b64decode
from typing import Any

import pytest

from services.common.contracts.errors import Invalid
from services.common.contracts.vm import UserSpec
from services.imagebuilder.masters import guest_agent
from tests.support.answers import rows_of
from tests.support.cloud_seeds import PEM, user_data
from tests.support.imaging import SECRETS

ROWS = rows_of("alpine")


@pytest.mark.parametrize("row", ROWS)
def test_all_that_was_asked_for_is_read_back(row: str) -> None:
    document = user_data(
        row,
        packages=("nginx",),
        ntp=("time.example.org",),
        mirror="https://mirror.example.org/alpine",
        ca_certificates=(PEM,),
        keyboard="de-nodeadkeys",
        timezone="Europe/Berlin",
    )
    assert (document["hostname"], document["fqdn"]) == ("web-1", "web-1.example.org")
    assert (document["packages"], document["ntp"]["servers"]) == (["nginx"], ["time.example.org"])
    repository = document["apk_repos"]["alpine_repo"]
    assert repository["base_url"] == "https://mirror.example.org/alpine"
    assert repository["version"] == f"v{row.removeprefix('alpine-')}"
    assert document["ca_certs"] == {"trusted": [PEM]}
    assert document["runcmd"][:2] == [
        ["setup-timezone", "-z", "Europe/Berlin"],
        ["setup-keymap", "de", "de-nodeadkeys"],
    ]


@pytest.mark.parametrize("row", ROWS)
def test_users_have_alpine_s_shell_and_doas(row: str) -> None:
    document = user_data(row, guest_agent=False)
    ops, guest = document["users"]
    assert (ops["shell"], ops["lock_passwd"]) == ("/bin/ash", False)
    (rule,) = document["write_files"]
    assert (rule["path"], rule["content"]) == ("/etc/doas.d/innkeeper-ops.conf", "permit nopass ops\n")
    assert (ops["passwd"], ops["ssh_authorized_keys"]) == (
        SECRETS.password_hashes["ops"],
        ["ssh-ed25519 AAAAC3Nz ops@desk"],
    )
    assert guest == {"name": "guest", "shell": "/bin/ash", "lock_passwd": True}


@pytest.mark.parametrize("row", ROWS)
def test_the_agent_is_a_service_of_openrc(row: str) -> None:
    document = user_data(row)
    files = {file["path"]: file for file in document["write_files"]}
    assert {"/etc/init.d/innkeeper-guestagent", guest_agent.PYZ_PATH} <= set(files)
    assert not any(path.endswith(".service") for path in files)
    service = files["/etc/init.d/innkeeper-guestagent"]
    text = b64decode(service["content"]).decode()
    assert (text.splitlines()[0], service["permissions"]) == ("#!/sbin/openrc-run", "0755")
    assert guest_agent.PYZ_PATH in text
    assert subprocess.run(["sh", "-n"], input=text.encode(), check=False).returncode == 0
    names = "innkeeper-guestagent"
    assert document["runcmd"] == [["rc-update", "add", names, "default"], ["rc-service", names, "start"]]


@pytest.mark.parametrize("row", ROWS)
def test_nothing_is_said_of_what_was_not_asked_for(row: str) -> None:
    document = user_data(row, users=(), guest_agent=False)
    assert document["users"] == [""]
    assert not {"apk_repos", "ntp", "ca_certs", "packages", "runcmd", "write_files"} & set(document)


REFUSED = [
    ({"proxy": "http://proxy.example.org:3128"}, "/proxy"),
    ({"layout": "home"}, "/layout"),
    ({"locale": "de_DE.UTF-8"}, "/locale"),
    ({"firmware": "uefi"}, "/firmware"),
    ({"users": (UserSpec("a:b"),)}, "/users"),
]


@pytest.mark.parametrize("changes, pointer", REFUSED)
def test_what_alpine_can_t_have_is_refused_by_field(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        user_data(ROWS[0], **changes)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
