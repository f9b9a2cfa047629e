# SPDX-License-Identifier: Apache-2.0
"""Programs nobody here wrote, asked about many files at once; a file they refuse is named alone."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.missing import missing

_WARNING = re.compile("^Checking kickstart file |(ssh user|network device) with the name \\S+ has already been defined")


def shell_refuses(scripts: Mapping[str, str]) -> dict[str, str]:
    """Name -> what `sh -n` says about it, of those it can't read."""

    def asked(some: Sequence[str]) -> str:
        # Each in a function of its own: what one leaves open can't be closed by the next one.
        text = "".join(f"f{n}() {{\n:\n{scripts[name]}\n}}\n" for n, name in enumerate(some))
        done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        return done.stderr or ("" if done.returncode == 0 else "refused")

    return _apart(list(scripts), asked)


def debconf_refuses(preseeds: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Name -> what `debconf-set-selections -c` says about it, of those it can't read."""
    program = shutil.which("debconf-set-selections") or missing("debconf-set-selections, of the package debconf")

    def asked(some: Sequence[str]) -> str:
        file = folder / "preseed.cfg"
        file.write_text("".join(preseeds[name] for name in some))
        done = subprocess.run([program, "-c", file], capture_output=True, text=True, check=False)
        return done.stderr or ("" if done.returncode == 0 else "refused")

    return _apart(list(preseeds), asked)


def ksvalidator_refuses(version: str, files: Sequence[Path], folder: Path) -> str:
    """What pykickstart's own validator says; "" nothing. It leaves copies where temporary files go: in `folder`.

    It warns of a user's second key and of a VLAN on a bond; Anaconda adds the one and knows the other.
    """
    program = Path(sys.executable).with_name("ksvalidator")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [program, "-v", version, *map(str, files)],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(folder)
    said = done.stdout + done.stderr
    lines = [line for line in said.splitlines() if line.strip() and not _WARNING.search(line)]
    unexplained = "refused" if done.returncode and "already been defined" not in said else ""
    return "\n".join(lines) or unexplained


def _apart(names: list[str], asked: Callable[[Sequence[str]], str]) -> dict[str, str]:
    """Halves what is refused until each refusal is one file's."""
    said = asked(names) if names else ""
    if not said:
        return {}
    if len(names) == 1:
        return {names[0]: said}
    half = len(names) // 2
    found = {**_apart(names[:half], asked), **_apart(names[half:], asked)}
    return found or {" and ".join(names): said}
