# SPDX-License-Identifier: Apache-2.0
"""A guest whose host can't hear it is told where to report, and by which token; others are told nothing of that."""

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
import yaml

from services.common.catalog import systems
from services.common.contracts.vm import Secrets, VmSpec
from services.guestagent.agent import CONFIG
from services.imagebuilder.masters.guest_agent import CONFIG_PATH
from services.imagebuilder.seed import seed_files

TOLD = Secrets(guest_token="t" * 43, report_url="https://inn.example.org/v1/guest/messages")
SPEC = VmSpec("web", "web", "debian-12", 1, 512, 4, ())


def written(os: str, spec: VmSpec, secrets: Secrets) -> dict[str, Any]:
    """The files cloud-init writes, by path."""
    files = seed_files(systems()[os], "0198f2b5-7c1e-7a50-8000-000000000001", replace(spec, os=os), secrets)
    return {file["path"]: file for file in yaml.safe_load(files["user-data"]).get("write_files", [])}


@pytest.mark.parametrize("os", ["debian-12", "debian-13", "rocky-9", "fedora-45", "ubuntu-24.04"])
def test_it_is_told_by_a_file_that_only_root_reads(os: str) -> None:
    file = written(os, SPEC, TOLD)[CONFIG_PATH]
    assert json.loads(b64decode(file["content"])) == {"url": TOLD.report_url, "token": TOLD.guest_token}
    assert file["permissions"] == "0600"


@pytest.mark.parametrize("os", ["debian-12", "debian-13"])
def test_without_a_token_or_an_agent_there_is_no_such_file(os: str) -> None:
    assert CONFIG_PATH not in written(os, SPEC, Secrets())
    assert CONFIG_PATH not in written(os, replace(SPEC, guest_agent=False), TOLD)


def test_the_agent_looks_for_it_there() -> None:
    assert CONFIG_PATH == CONFIG
