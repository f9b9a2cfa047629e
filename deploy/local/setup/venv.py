# SPDX-License-Identifier: Apache-2.0
"""The virtual environment: exactly what requirements.lock says, every file checked against its hash."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.setup.failure import Failure

_NETWORK = ("Could not find a version", "Temporary failure in name resolution", "Connection", "ProxyError", "timed out")


def is_current(root: Path) -> bool:
    """Whether `.venv` was made of this lock file by this Python; takes milliseconds."""
    stamp = root / ".venv" / "innkeeper.stamp"
    return stamp.exists() and stamp.read_text() == _fingerprint(root) and (root / ".venv/bin/python").exists()


def build(root: Path) -> None:
    """Make or bring up to date; raises Failure."""
    target = root / ".venv"
    print(f"Installing the Python packages of requirements.lock into {target}", flush=True)
    python = str(target / "bin" / "python")
    if not _same_python(python):
        shutil.rmtree(target, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(target)], "python3 can't make a virtual environment")
    elif subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        _run([python, "-m", "ensurepip"], "the virtual environment has no pip; remove .venv")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-q", "--require-hashes"]
    _run([*pip, "-r", str(root / "requirements.lock")], "pip could not install requirements.lock")
    _link_checkout(root, target)
    (target / "innkeeper.stamp").write_text(_fingerprint(root))


def _link_checkout(root: Path, target: Path) -> None:
    """The environment finds the checkout's packages, and has `inn`."""
    for site in target.glob("lib/python3*/site-packages"):
        (site / "innkeeper-checkout.pth").write_text(f"{root}\n")
    inn = target / "bin" / "inn"
    inn.write_text(f"#!{target}/bin/python\nfrom innkeeper.cli.main import main\n\nmain()\n")
    inn.chmod(0o755)


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256((root / "requirements.lock").read_bytes() + str(root).encode()).hexdigest()
    return f"{digest} {sys.version_info.major}.{sys.version_info.minor}\n"


def _same_python(python: str) -> bool:
    """Whether the environment's Python works and is of the version that runs this."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == wanted


def _run(command: list[str], what: str) -> None:
    env = {**os.environ, "PYTHONPATH": "", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        return
    detail = "\n  ".join(["", *done.stdout.strip().splitlines()[-12:]])
    if "No space left" in done.stdout:
        raise Failure(13, f"{what}: the disk is full; free some space and run it again.{detail}")
    if any(sign in done.stdout for sign in _NETWORK):
        raise Failure(14, f"{what}: no way to the package index; check the network or pip's settings.{detail}")
    raise Failure(16, f"{what}.{detail}")
