# SPDX-License-Identifier: Apache-2.0
"""Brings a bare Debian or Ubuntu to the point where the stack can start: system packages, then a pinned `.venv`.

`python3 deploy/local/bootstrap.py [--test]`; HYPERVISORS may name vsphere. Standard library only. This
file parses on Python 3.6, so that an old Python gets a sentence and not a traceback. Exit codes: 0 done,
2 wrong HYPERVISORS, 10 Python, 11 platform, 12 no root, 13 disk, 14 network, 15 apt, 16 virtual environment.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    import os as _os
    import subprocess as _subprocess

    for _name in ("python3.13", "python3.12", "python3.11"):
        try:
            _found = _subprocess.call([_name, "-c", "import venv"], stderr=_subprocess.DEVNULL) == 0
        except OSError:
            _found = False
        if _found:
            _os.execvp(_name, [_name] + sys.argv)  # noqa: RUF005
    _help = (
        "Innkeeper needs Python 3.11 or newer; this is {}.{}, and no python3.13, python3.12 or python3.11 was found.\n"
        "Use Debian 12 or newer, or Ubuntu 24.04 or newer, or install a newer Python and run: PYTHON=python3.12 make\n"
    )
    sys.stderr.write(_help.format(*sys.version_info[:2]))
    sys.exit(10)

import argparse
import fcntl
import os
import platform
import shutil
import signal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.local import hypervisors
from deploy.local.setup import apt, venv
from deploy.local.setup.failure import Failure

GIB = 1 << 30


def check_platform() -> None:
    """Debian-like and amd64, or say so."""
    if platform.machine() != "x86_64":
        raise Failure(11, f"this machine is {platform.machine()}; the embedded stack runs on x86_64 only")
    if shutil.which("apt-get") is None or shutil.which("dpkg-query") is None:
        text = "this is no Debian or Ubuntu (no apt-get); use one of them, or the container images in deploy/"
        raise Failure(11, text)


def check_disk(root: Path, wanted: int) -> None:
    """Enough room for packages, images and guests."""
    for path in {root, Path("/var")}:
        free = shutil.disk_usage(path).free
        if free < wanted:
            text = f"{path} has {free / GIB:.1f} GiB free, {wanted / GIB:.0f} GiB are needed; free some space"
            raise Failure(13, text)


def asked_hypervisors() -> tuple[str, ...]:
    """Those the caller names."""
    try:
        return hypervisors.asked(os.environ.get(hypervisors.VARIABLE, ""))
    except hypervisors.WrongHypervisors as error:
        raise Failure(2, str(error)) from error


def run(root: Path, test: bool) -> None:
    """Do what is missing; raises Failure."""
    check_platform()
    missing = apt.missing(apt.wanted(test, hypervisors.VSPHERE in asked_hypervisors()))
    stale = not venv.is_current(root)
    check_disk(root, 4 * GIB if missing or stale else GIB)
    if missing:
        apt.install(missing)
    if stale:
        venv.build(root)


def main() -> int:
    """Parse the command line and turn a Failure into one sentence and its exit code."""
    parser = argparse.ArgumentParser(description="Install what the embedded stack needs.")
    parser.add_argument("--test", action="store_true", help="also what the test suite needs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is temporary is taken back
    root = Path(__file__).resolve().parents[2]
    try:
        with (root / "requirements.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once: the second waits and finds everything done
            run(root, options.test)
    except Failure as failure:
        print(f"bootstrap: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("bootstrap: interrupted; run it again to go on", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"bootstrap: {error.strerror or error}: {error.filename or os.getcwd()}", file=sys.stderr)
        return 13 if error.errno == 28 else 15
    return 0


if __name__ == "__main__":
    sys.exit(main())
