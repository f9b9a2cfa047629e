# SPDX-License-Identifier: Apache-2.0
"""The guest agent as it is put into images: one .pyz, its unit, and the one in shell."""

import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import services
from services.common.contracts.errors import ImageFailed

PYZ_PATH = "/usr/lib/innkeeper/guestagent.pyz"
CONFIG_PATH = "/etc/innkeeper/guest.json"  # services.guestagent.agent.CONFIG: where it reports, if not to its port
UNIT_NAME = "innkeeper-guestagent.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT_NAME}"
UNIT = f"""[Unit]
Description=Innkeeper guest agent
# The network is configured by then; what runs later (packages, first boot) is no reason to stay silent.
After=cloud-init.service systemd-networkd.service
ConditionPathExists={PYZ_PATH}

[Service]
ExecStart=/usr/bin/python3 {PYZ_PATH}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""
_FOLDER = Path(services.__file__).parent / "guestagent"


@lru_cache
def pyz() -> bytes:
    """The agent's .pyz, packed afresh once in this process; the same sources give the same bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "guestagent.pyz"
        command = [sys.executable, "-m", "services.guestagent.build", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_FOLDER.parent.parent)
        if done.returncode or not target.is_file():
            raise ImageFailed(f"the guest agent can't be packed: {done.stderr.strip()[-500:]}")
        return target.read_bytes()


def shell_script() -> bytes:
    """The agent of guests without Python; it is run as `sh mini.sh PORT [AGENT]`."""
    try:
        return (_FOLDER / "mini.sh").read_bytes()
    except FileNotFoundError as error:
        raise ImageFailed(f"the guest agent in shell is missing: {error.filename}") from error
