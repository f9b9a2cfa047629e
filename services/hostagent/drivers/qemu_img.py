# SPDX-License-Identifier: Apache-2.0
"""Images converted by qemu-img, telling how far they are; ended when whoever hears it has heard enough."""

import os
import re
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.base import Copied

PROGRAM = "qemu-img"
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_LOOK_S = 1.0


def convert(source: Path, format_: str, target: Path, kind: Sequence[str], copied: Copied) -> None:
    """Write the image anew, as an image of this kind (qemu-img's own words); HostFailed with what qemu-img says.

    What `copied` raises ends it; what was written by then is the caller's to remove. OSError where it can't be run.
    """
    # Formats are named, never guessed from what a guest has written.
    command = [PROGRAM, "convert", "-p", "-f", format_, *kind, os.fspath(source), os.fspath(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            _follow(process, copied)
        except BaseException:
            process.kill()
            raise
        words = process.stderr.read() if process.stderr is not None else b""
    if process.returncode:
        told = words.decode(errors="replace").strip()
        raise HostFailed(f"copying {source.name}: {PROGRAM} ended with {process.returncode}: {told}")


def _follow(process: "subprocess.Popen[bytes]", copied: Copied) -> None:
    """Tell how far it is, about once a second and at least as often as it says so itself."""
    assert process.stdout is not None
    percent, output = 0.0, process.stdout.fileno()
    while True:
        copied(percent)
        if not select.select([output], [], [], _LOOK_S)[0]:
            continue
        text = os.read(output, 4096)
        if not text:
            return
        told = _PERCENT.findall(text)
        percent = float(told[-1]) if told else percent
