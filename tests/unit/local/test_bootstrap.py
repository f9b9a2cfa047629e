# SPDX-License-Identifier: Apache-2.0
"""The bootstrap's sentences for what goes wrong on a stranger's machine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import bootstrap
from deploy.local.home import CHECKOUT
from deploy.local.setup import apt, venv
from deploy.local.setup.failure import Failure
from deploy.local.setup.packages import STACK, TESTS, Package

SCRIPT = CHECKOUT / "deploy" / "local" / "bootstrap.py"


def test_it_parses_on_python_3_6() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_an_old_python_gets_a_sentence_and_exit_code_10() -> None:
    pretend = f"import sys; sys.version_info = (3, 6); sys.argv = [{str(SCRIPT)!r}]; exec(open(sys.argv[0]).read())"
    done = subprocess.run(
        [sys.executable, "-c", pretend], env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 10
    assert "needs Python 3.11 or newer; this is 3.6" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_imported_that_a_bare_python_lacks() -> None:
    """Every import of the bootstrap works without site-packages."""
    done = subprocess.run([sys.executable, "-S", str(SCRIPT), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_architecture_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(Failure, match="riscv64") as caught:
        bootstrap.check_platform()
    assert caught.value.code == 11


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="GiB are needed") as caught:
        bootstrap.check_disk(tmp_path, 1 << 60)
    assert caught.value.code == 13


def test_no_root_and_no_sudo_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Failure, match="no sudo") as caught:
        apt.install([Package(("x",), "")])
    assert caught.value.code == 12


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Err:1 x\n  Temporary failure resolving 'x'\nE: Failed to fetch x", 14),
        ("dpkg: error: No space left on device", 13),
        ("E: Sub-process /usr/bin/dpkg returned an error code (1)", 15),
    ],
)
def test_what_apt_said_becomes_a_stable_code(said: str, code: int) -> None:
    assert apt._explained(said).code == code


def test_every_package_has_a_reason_and_is_named_once() -> None:
    names = [name for package in STACK + TESTS for name in package.names]
    assert len(names) == len(set(names))
    assert all(package.why for package in STACK + TESTS)


def test_a_stamp_of_another_lock_is_not_current(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("a==1\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    (tmp_path / ".venv" / "innkeeper.stamp").write_text(venv._fingerprint(tmp_path))
    assert venv.is_current(tmp_path)
    (tmp_path / "requirements.lock").write_text("a==2\n")
    assert not venv.is_current(tmp_path)
