# SPDX-License-Identifier: Apache-2.0
"""Seeds of openSUSE Leap's cloud images: golden files, and all of a spec read back as YAML."""

from base64 import b64decode
from typing import Any

import pytest

from services.common.contracts.errors import Invalid
from services.imagebuilder.masters import guest_agent
from tests.support.answers import rows_of
from tests.support.cloud_seeds import ASKED, PEM, user_data
from tests.support.imaging import SECRETS

ROWS = rows_of("opensuse-cloud")


@pytest.mark.parametrize("row", ROWS)
def test_all_that_was_asked_for_is_read_back(row: str) -> None:
    document = user_data(
        row,
        **ASKED,
        keyboard="de",
        locale="de_DE.UTF-8",
        firmware="uefi",
    )
    ops, guest = document["users"]
    assert (ops["sudo"], ops["passwd"]) == ("ALL=(ALL) NOPASSWD:ALL", SECRETS.password_hashes["ops"])
    assert (guest["name"], guest["lock_passwd"]) == ("guest", True)
    assert document["packages"] == ["qemu-guest-agent", "python313-base", "glibc-locale", "nginx"]
    assert document["ntp"]["servers"] == ["time.example.org", "192.0.2.123"]
    assert document["ca_certs"] == {"trusted": [PEM, PEM]}
    assert (document["keyboard"], document["locale"]) == ({"layout": "de"}, "de_DE.UTF-8")
    files = {file["path"]: file for file in document["write_files"]}
    assert 'HTTPS_PROXY="http://proxy.example.org:3128"\n' in files["/etc/sysconfig/proxy"]["content"]
    assert b64decode(files[guest_agent.PYZ_PATH]["content"]) == guest_agent.pyz()
    assert ["systemctl", "enable", "--now", guest_agent.UNIT_NAME] in document["runcmd"]


@pytest.mark.parametrize("row", ROWS)
def test_nothing_is_said_of_what_was_not_asked_for(row: str) -> None:
    document = user_data(row, users=(), guest_agent=False)
    assert document["users"] == [""]
    assert not {"ntp", "ca_certs", "packages", "runcmd", "write_files"} & set(document)


@pytest.mark.parametrize("changes", [{"layout": "lvm"}, {"mirror": "https://mirror.example.org/leap"}])
def test_what_its_image_can_t_have_is_refused_by_field(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        user_data(ROWS[0], **changes)
    assert [problem.pointer for problem in refused.value.problems] == [f"/{name}" for name in changes]
