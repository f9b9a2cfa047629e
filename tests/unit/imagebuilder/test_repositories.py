# SPDX-License-Identifier: Apache-2.0
"""Further package sources: what each package manager would read, and what is refused."""

import configparser
import json
import shlex
import subprocess
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pykickstart.constants import KS_MISSING_IGNORE, KS_SCRIPT_POST
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from services.common.catalog import systems
from services.common.catalog.entries import Packages
from services.common.contracts.errors import Invalid
from services.common.contracts.vm import Repository
from tests.support.answers import answer_files, compare_with_golden
from tests.support.hostile import TEXTS
from tests.support.package_sources import FINGERPRINT, KEY_NAME, PUBLIC, RSA, a_source

URL = "https://packages.example.org/x"
TOOLS = Repository("tools", URL, PUBLIC)
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
NS = "{http://www.suse.com/1.0/yast2ns}"


def rows(kind: str, *families: str) -> list[str]:
    """Of one package manager, in these families, or in all."""
    found = [entry for entry in systems().values() if entry.repositories == kind]
    return sorted(entry.name for entry in found if not families or entry.family in families)


ALL = sorted(name for name, entry in systems().items() if entry.repositories)
OTHERS = rows("")
AGAMA = "sles-16-installer"
YAST = sorted(set(rows(Packages.ANSWERS)) - {AGAMA})
UBUNTU = rows(Packages.APT, "ubuntu-installer")
DEBIAN = rows(Packages.APT, "debian-installer")
KICKSTART = rows(Packages.YUM, "el", "fedora")


def files_of(row: str, *repositories: Repository, **changes: Any) -> dict[str, str]:
    found = answer_files(row, "N1-one-dhcp", repositories=repositories, guest_agent=False, **changes)
    return {path: content.decode() for path, content in found.items()}


def written(row: str, *repositories: Repository) -> dict[str, str]:
    """Path -> text of the files that cloud-init writes into the guest."""
    text = next(content for path, content in files_of(row, *repositories).items() if path.endswith("user-data"))
    found: list[dict[str, Any]] = yaml.safe_load(text).get("write_files", [])
    return {file["path"]: _content(file) for file in found}


def _content(file: dict[str, Any]) -> str:
    content: str = file["content"]
    return b64decode(content).decode() if file.get("encoding") == "b64" else content


@pytest.mark.parametrize("row", ALL)
def test_a_source_is_written_as_the_row_s_golden_file_says(row: str) -> None:
    source = a_source(systems()[row])
    more = replace(source, name="more", url="https://more.example.org/y")
    compare_with_golden(
        row, "N1-one-dhcp", guest_agent=False, repositories=(source, more), packages=("vim",), name="repositories"
    )


@pytest.mark.parametrize("row", rows(Packages.APT, "debian", "ubuntu"))
def test_apt_reads_the_source_and_trusts_its_own_key_alone(row: str) -> None:
    with_suite = replace(TOOLS, suite="stable", components=("main", "contrib"))
    files = written(row, with_suite, replace(TOOLS, name="flat", suite="deb/"))
    key = "/etc/apt/keyrings/innkeeper-tools.asc"
    line = f"deb [signed-by={key}] {URL} stable main contrib\n"
    assert files["/etc/apt/sources.list.d/innkeeper-tools.list"] == line
    assert files["/etc/apt/sources.list.d/innkeeper-flat.list"].endswith("/x deb/\n")
    assert files[key] == PUBLIC


@pytest.mark.parametrize("row", [*rows(Packages.YUM, "el-cloud", "fedora-cloud"), *rows(Packages.ZYPP)])
def test_dnf_and_zypper_read_the_source_and_check_its_signatures(row: str) -> None:
    files = written(row, TOOLS)
    parser = configparser.ConfigParser(interpolation=None)
    folder = "zypp/repos.d" if systems()[row].repositories == Packages.ZYPP else "yum.repos.d"
    parser.read_string(files[f"/etc/{folder}/innkeeper-tools.repo"])
    section = parser["innkeeper-tools"]
    assert (section["baseurl"], section["gpgcheck"], section["enabled"]) == (URL, "1", "1")
    assert files[section["gpgkey"].removeprefix("file://")] == PUBLIC


@pytest.mark.parametrize("row", rows(Packages.ZYPP))
def test_zypper_knows_the_key_before_packages_are_installed(row: str) -> None:
    (command,) = yaml.safe_load(files_of(row, TOOLS)["user-data"])["bootcmd"]
    assert b64decode(command[-1]).decode() == PUBLIC
    assert "rpm --import" in command[5]


@pytest.mark.parametrize("row", rows(Packages.APK))
def test_apk_reads_the_source_and_finds_its_key_by_the_name_that_signatures_have(row: str) -> None:
    files = written(row, Repository("tools", URL, RSA, key_name=KEY_NAME))
    assert files["/etc/apk/repositories.d/innkeeper-tools.list"] == f"{URL}\n"
    assert files[f"/etc/apk/keys/{KEY_NAME}"] == RSA


@pytest.mark.parametrize("row", UBUNTU)
def test_subiquity_has_the_source_while_it_installs_and_the_system_s_seed_afterwards(row: str) -> None:
    answers = yaml.safe_load(files_of(row, replace(TOOLS, suite="deb/"))["user-data"])["autoinstall"]
    (source,) = answers["apt"]["sources"].values()
    assert source == {
        "source": f"deb [signed-by=/etc/apt/trusted.gpg.d/innkeeper-tools.asc] {URL} deb/",
        "key": PUBLIC,
    }
    removed = "rm -f /target/etc/apt/sources.list.d/innkeeper-* /target/etc/apt/trusted.gpg.d/innkeeper-*"
    assert removed in answers["late-commands"]


@pytest.mark.parametrize("row", DEBIAN)
def test_apt_setup_has_the_source_and_finds_its_key_in_the_target(row: str) -> None:
    files = files_of(row, replace(TOOLS, suite="stable", components=("main",)), replace(TOOLS, name="b", suite="deb/"))
    asked = [line.split(" ", 3) for line in files["preseed.cfg"].splitlines() if "apt-setup/local" in line]
    key = "/etc/apt/keyrings/innkeeper-tools.asc"
    assert asked[0] == ["d-i", "apt-setup/local0/repository", "string", f"[signed-by={key}] {URL} stable main"]
    assert asked[1][1] == "apt-setup/local1/repository"
    words = shlex.split(files["usr/lib/post-base-installer.d/60innkeeper-sources"], comments=True)
    assert words[words.index(f">/target{key}") - 1] == PUBLIC


@pytest.mark.parametrize("row", KICKSTART)
def test_anaconda_leaves_to_dnf_what_only_a_further_source_may_have(row: str) -> None:
    entry = systems()[row]
    parser = KickstartParser(makeVersion("F40" if entry.family == "fedora" else f"RHEL{entry.version}"))
    parser.readKickstartFromString(files_of(row, TOOLS, packages=("vim", "tool"))["ks.cfg"])
    assert parser.handler.packages.handleMissing == KS_MISSING_IGNORE
    post = "".join(script.script for script in parser.handler.scripts if script.type == KS_SCRIPT_POST)
    assert "dnf -y install vim tool\n" in post
    assert post.index("innkeeper-tools.repo") < post.index("dnf -y install")
    assert "--ignoremissing" not in files_of(row, packages=("vim",))["ks.cfg"]


@pytest.mark.parametrize("row", YAST)
def test_yast_takes_each_source_s_key_by_its_id_and_no_other_one(row: str) -> None:
    root = etree.fromstring(files_of(row, TOOLS, replace(TOOLS, name="more", url=f"{URL}/y"))["autoinst.xml"].encode())
    entries = root.findall(f"{NS}add-on/{NS}add_on_others/{NS}listentry")
    assert [entry.findtext(f"{NS}media_url") for entry in entries] == [URL, f"{URL}/y"]
    for entry in entries:
        taken = entry.find(f"{NS}signature-handling/{NS}import_gpg_key")
        assert taken is not None
        assert taken.findtext(f"{NS}all") == "false"
        assert [key.text for key in taken.iter(f"{NS}keyid")] == [FINGERPRINT[-16:]]


def test_agama_takes_each_source_s_key_by_its_fingerprint() -> None:
    (source,) = json.loads(files_of(AGAMA, TOOLS)["autoinst.json"])["software"]["extraRepositories"]
    assert (source["url"], source["gpgFingerprints"], source["allowUnsigned"]) == (URL, [FINGERPRINT], False)


@pytest.mark.parametrize("row", OTHERS)
def test_a_system_without_words_for_it_refuses_it(row: str) -> None:
    with pytest.raises(Invalid) as refused:
        answer_files(row, "N1-one-dhcp", repositories=(TOOLS,))
    assert [problem.pointer for problem in refused.value.problems].count("/repositories") == 1


@pytest.mark.parametrize(
    "row, repository, field",
    [
        ("debian-12", TOOLS, "suite"),
        ("debian-12", replace(TOOLS, suite="stable"), "components"),
        ("debian-12", replace(TOOLS, suite="deb/", components=("main",)), "components"),
        ("alma-9", replace(TOOLS, suite="stable"), "suite"),
        ("alma-9", replace(TOOLS, components=("main",)), "components"),
        ("alma-9", replace(TOOLS, signed_by=PUBLIC + "\nx"), "signed_by"),
        ("alma-9", replace(TOOLS, signed_by=PUBLIC.replace("JZ0GD8sN\n", "")), "signed_by"),
        ("alma-9", replace(TOOLS, signed_by=RSA), "signed_by"),
        ("alma-9", replace(TOOLS, key_name=KEY_NAME), "key_name"),
        ("alma-9", replace(TOOLS, url="https://me:secret@packages.example.org"), "url"),
        ("alpine-3.22", replace(TOOLS, key_name=KEY_NAME), "signed_by"),
        ("alpine-3.22", replace(TOOLS, signed_by=RSA), "key_name"),
        ("alpine-3.22", replace(TOOLS, signed_by=RSA, key_name="../x.rsa.pub"), "key_name"),
        ("alpine-3.22", replace(TOOLS, signed_by=RSA, key_name=KEY_NAME, suite="v3.22"), "suite"),
    ],
)
def test_what_a_source_can_t_be_is_refused_by_field(row: str, repository: Repository, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        files_of(row, repository)
    assert [problem.pointer for problem in refused.value.problems] == [f"/repositories/0/{field}"]
    assert "secret" not in str(refused.value.problems)


def test_two_keys_of_one_name_are_refused() -> None:
    first = Repository("a", URL, RSA, key_name=KEY_NAME)
    files_of("alpine-3.22", first, replace(first, name="b"))
    with pytest.raises(Invalid) as refused:
        files_of("alpine-3.22", first, replace(first, name="b", signed_by=RSA.replace("MIIB", "MIIC")))
    assert [problem.pointer for problem in refused.value.problems] == ["/repositories/1/key_name"]


@given(
    row=st.sampled_from(["debian-12", "alma-9", "opensuse-leap-16.0", "alpine-3.22"]),
    field=st.sampled_from(["name", "url", "signed_by", "suite", "key_name"]),
    text=st.sampled_from(TEXTS) | st.text(max_size=40),
)
def test_no_text_adds_a_line_to_a_source(row: str, field: str, text: str) -> None:
    changes: dict[str, Any] = {field: text}
    try:
        files = written(row, replace(a_source(systems()[row]), **changes))
    except Invalid:
        return
    (source,) = (text for path, text in files.items() if path.endswith((".list", ".repo")))
    lines = {Packages.APT: 1, Packages.YUM: 6, Packages.ZYPP: 7, Packages.APK: 1}
    assert len(source.splitlines()) == lines[systems()[row].repositories]


def test_keys_are_in_the_target_before_apt_setup_looks_at_their_sources(tmp_path: Path) -> None:
    files = files_of("debian-12-installer", replace(TOOLS, suite="deb/"), ca_certificates=(PEM,))
    hook = files["usr/lib/post-base-installer.d/60innkeeper-sources"].replace("/target", str(tmp_path))
    said = 'apt-install() { echo "apt-install $*"; }; in-target() { echo "in-target $*"; }\n'
    done = subprocess.run(["bash", "-e"], input=said + hook, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines() == ["apt-install ca-certificates", "in-target update-ca-certificates"]
    assert (tmp_path / "etc/apt/keyrings/innkeeper-tools.asc").read_text() == PUBLIC
    assert (tmp_path / "usr/local/share/ca-certificates/innkeeper-1.crt").read_text().strip() == PEM.strip()


@pytest.mark.parametrize("live", [True, False])
def test_a_source_that_apt_setup_has_left_out_fails_the_installation(tmp_path: Path, live: bool) -> None:
    setup = files_of("debian-12-installer", replace(TOOLS, suite="deb/"))["innkeeper/setup.sh"]
    about = [line for line in setup.splitlines() if line.startswith(("set -e", "grep -q", "sed -i"))]
    listed = tmp_path / "sources.list"
    others = "deb http://deb.debian.org/debian bookworm main\n"
    ours = f"deb [signed-by=/etc/apt/keyrings/innkeeper-tools.asc] {URL} deb/\n"
    listed.write_text(others + (ours if live else f"#{ours}"))
    script = "\n".join(about).replace(" /etc/apt/sources.list", f" {listed}")
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == (0 if live else 1)
    assert done.stderr == ("" if live else "innkeeper-tools can not be used: apt-setup has left it out\n")
    assert not live or listed.read_text() == others
