# SPDX-License-Identifier: Apache-2.0
"""A wrong `vsphere` mapping is refused whole, and says what is wrong where."""

from pathlib import Path
from typing import Any

import pytest
from marshmallow.validate import OneOf

from services.api.schemas.hosts import HostAsked
from services.common.contracts.errors import HostFailed
from services.hostagent.config import config_problems
from services.hostagent.drivers import DRIVERS
from services.hostagent.drivers.vsphere.settings import read_settings, vsphere_problems

GOOD = {"url": "https://vcenter.example.org", "user": "innkeeper@vsphere.local", "password_file": "/etc/innkeeper/vc"}
AGENT: dict[str, Any] = {
    "host_id": "host-1",
    "platform": "p",
    "driver": "vsphere",
    "broker_url": "amqp://host:secret@127.0.0.1/",
    "command_public_key": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n",
    "directory": "/srv/agent",
}


def test_the_least_that_works() -> None:
    assert config_problems({**AGENT, "vsphere": GOOD}) == []
    assert read_settings(GOOD).address == ("vcenter.example.org", 443)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "http://vcenter"}, "vsphere.url"),
        ({"url": "https://user:secret@vcenter"}, "vsphere.url"),
        ({"url": "https://vcenter/sdk"}, "vsphere.url"),
        ({"user": ""}, "vsphere.user"),
        ({"user": 7}, "vsphere.user"),
        ({"password_file": "relative"}, "vsphere.password_file"),
        ({"password": "secret"}, "vsphere.password"),
        ({"cluster": "a", "host": "b"}, "vsphere.host"),
        ({"ca_file": "/ca.pem", "thumbprint": "ab" * 32}, "vsphere.thumbprint"),
        ({"thumbprint": "AB:CD"}, "vsphere.thumbprint"),
    ],
)
def test_each_problem_names_its_key_and_no_secret(changes: dict[str, Any], named: str) -> None:
    (problem,) = vsphere_problems({**GOOD, **changes})
    assert problem.startswith(named)
    assert "secret" not in problem


def test_the_mapping_belongs_to_this_driver_alone() -> None:
    assert config_problems(AGENT) == ["vsphere: give a mapping with url, user, password_file"]
    assert config_problems({**AGENT, "driver": "fake", "vsphere": GOOD}) == ["vsphere: only the vsphere driver has it"]


def test_a_password_that_cannot_be_read_is_told_when_it_is_needed(tmp_path: Path) -> None:
    settings = read_settings({**GOOD, "password_file": str(tmp_path / "none")})
    with pytest.raises(HostFailed, match=r"vsphere\.password_file"):
        settings.password()
    (tmp_path / "none").write_text("\n")
    with pytest.raises(HostFailed, match="is empty"):
        settings.password()


def test_a_host_of_every_driver_can_be_registered() -> None:
    fields = HostAsked().fields["driver"]
    (choice,) = fields.validators
    assert isinstance(choice, OneOf)
    assert set(choice.choices) == set(DRIVERS)
