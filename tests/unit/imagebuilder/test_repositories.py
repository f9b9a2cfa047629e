# SPDX-License-Identifier: Apache-2.0
"""Further package sources: what apt and dnf would read, and what is refused."""

import configparser
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.common.catalog import systems
from services.common.catalog.entries import Packages
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Repository
from tests.support.answers import answer_files
from tests.support.hostile import TEXTS

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\nmDMEZ\n=aaaa\n-----END PGP PUBLIC KEY BLOCK-----\n"
TOOLS = Repository("tools", "https://packages.example.org/x", KEY)
APT = sorted(name for name, entry in systems().items() if entry.repositories == Packages.APT)
YUM = sorted(name for name, entry in systems().items() if entry.repositories == Packages.YUM)
OTHERS = sorted(name for name, entry in systems().items() if not entry.repositories)


def written(row: str, *repositories: Repository) -> dict[str, str]:
    """Path -> text of the files that the seed writes into the guest."""
    files = answer_files(row, "N1-one-dhcp", repositories=repositories, guest_agent=False)
    text = next(content for path, content in files.items() if path.endswith("user-data"))
    found: list[dict[str, Any]] = yaml.safe_load(text).get("write_files", [])
    return {file["path"]: b64decode(file["content"]).decode() for file in found}


@pytest.mark.parametrize("row", APT)
def test_apt_reads_the_source_and_trusts_its_own_key_alone(row: str) -> None:
    with_suite = replace(TOOLS, suite="stable", components=("main", "contrib"))
    files = written(row, with_suite, replace(TOOLS, name="flat", suite="deb/"))
    key = "/etc/apt/keyrings/innkeeper-tools.asc"
    line = f"deb [signed-by={key}] https://packages.example.org/x stable main contrib\n"
    assert files["/etc/apt/sources.list.d/innkeeper-tools.list"] == line
    assert files["/etc/apt/sources.list.d/innkeeper-flat.list"].endswith("/x deb/\n")
    assert files[key] == KEY


@pytest.mark.parametrize("row", YUM)
def test_dnf_reads_the_source_and_checks_its_signatures(row: str) -> None:
    files = written(row, TOOLS)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(files["/etc/yum.repos.d/innkeeper-tools.repo"])
    section = parser["innkeeper-tools"]
    assert (section["baseurl"], section["gpgcheck"], section["enabled"]) == (TOOLS.url, "1", "1")
    assert files[section["gpgkey"].removeprefix("file://")] == KEY


@pytest.mark.parametrize("row", OTHERS)
def test_a_system_without_words_for_it_refuses_it(row: str) -> None:
    with pytest.raises(Invalid) as refused:
        answer_files(row, "N1-one-dhcp", repositories=(TOOLS,))
    assert "/repositories" in [problem.pointer for problem in refused.value.problems]


@pytest.mark.parametrize(
    "row, repository, field",
    [
        ("debian-12", TOOLS, "suite"),
        ("debian-12", replace(TOOLS, suite="stable"), "components"),
        ("debian-12", replace(TOOLS, suite="deb/", components=("main",)), "components"),
        ("alma-9", replace(TOOLS, suite="stable"), "suite"),
        ("alma-9", replace(TOOLS, components=("main",)), "components"),
        ("alma-9", replace(TOOLS, signed_by=KEY + "\nx"), "signed_by"),
        ("alma-9", replace(TOOLS, url="https://me:secret@packages.example.org"), "url"),
    ],
)
def test_what_a_source_can_t_be_is_refused_by_field(row: str, repository: Repository, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        written(row, repository)
    assert [problem.pointer for problem in refused.value.problems] == [f"/repositories/0/{field}"]
    assert "secret" not in str(refused.value.problems)


@given(
    row=st.sampled_from(["debian-12", "alma-9"]),
    field=st.sampled_from(["name", "url", "signed_by", "suite"]),
    text=st.sampled_from(TEXTS) | st.text(max_size=40),
)
def test_no_text_adds_a_line_to_a_source(row: str, field: str, text: str) -> None:
    suited = replace(TOOLS, suite="stable", components=("main",)) if row == "debian-12" else TOOLS
    changes: dict[str, Any] = {field: text}
    try:
        files = written(row, replace(suited, **changes))
    except Invalid:
        return
    (source,) = (text for path, text in files.items() if path.endswith((".list", ".repo")))
    assert len(source.splitlines()) == (1 if row == "debian-12" else 6)
