# SPDX-License-Identifier: Apache-2.0
"""What random wishes become, before the judges that need a process of their own: a shell, debconf, ksvalidator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from services.imagebuilder.seed import seed_files
from tests.support.answers import rows_of
from tests.support.arbitrary import a_wish
from tests.support.imaging import VM_ID
from tests.support.judges import debconf_refuses, ksvalidator_refuses, shell_refuses
from tests.support.understood import Reader

PREFIX = 1_000_000  # other wishes than those of test_properties
VERSIONS = {
    "rocky-8-installer": "RHEL8",
    "rocky-9-installer": "RHEL9",
    "rocky-10-installer": "RHEL10",
    "fedora-44-installer": "F44",
    "fedora-45-installer": "F45",
}


def granted(row: str, tries: int) -> Iterator[tuple[str, dict[str, bytes], Reader]]:
    """(which wish, its files, a reader that knows what is free text in them)."""
    for number in range(PREFIX, PREFIX + tries):
        wish = a_wish(systems()[row], number)
        keys = {key for user in wish.spec.users for key in user.ssh_keys}
        try:
            files = seed_files(systems()[row], VM_ID, wish.spec, wish.secrets)
        except Invalid:
            continue
        yield f"wish {number} of {row}", files, Reader(frozenset({wish.secrets.first_boot, *keys} - {""}))


@pytest.mark.parametrize("row", sorted(systems()))
def test_a_shell_can_read_every_script(row: str) -> None:
    scripts = {}
    for which, files, reader in granted(row, 120):
        for path, content in files.items():
            reader.file(path, content)
        scripts.update({f"{which}, script {n}": script for n, script in enumerate(reader.scripts)})
    assert shell_refuses(scripts) == {}


@pytest.mark.parametrize("row", rows_of("debian-installer"))
def test_debconf_can_read_every_preseed(row: str, tmp_path: Path) -> None:
    preseeds = {which: files["preseed.cfg"].decode() for which, files, _ in granted(row, 200)}
    assert debconf_refuses(preseeds, tmp_path) == {}
    assert len(preseeds) > 20


@pytest.mark.parametrize("row", VERSIONS)
def test_ksvalidator_can_read_every_kickstart(row: str, tmp_path: Path) -> None:
    paths = []
    for n, (_, files, _) in enumerate(granted(row, 60)):
        paths.append(tmp_path / f"{n}.cfg")
        paths[-1].write_bytes(files["ks.cfg"])
    assert ksvalidator_refuses(VERSIONS[row], paths, tmp_path / "copies") == ""
    assert len(paths) > 5


def test_a_refusal_names_its_file_alone(tmp_path: Path) -> None:
    scripts = {"good": "true", "open": "echo 'x", "closed": "x'", "brace": "}", "again": "true\n"}
    assert {"open", "brace"} <= set(shell_refuses(scripts))
    assert not {"good", "again"} & set(shell_refuses(scripts))
    preseeds = {"good": "d-i a/b string x\n", "bad": "nonsense\n"}
    assert set(debconf_refuses(preseeds, tmp_path)) == {"bad"}
