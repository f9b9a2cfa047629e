# SPDX-License-Identifier: Apache-2.0
"""What `helm test` runs, against the real API."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from innkeeper import Client
from tests.support.stack import ROOT, Stack

SCRIPT = ROOT / "charts" / "innkeeper" / "files" / "first-vm.sh"


@pytest.mark.parametrize(("system", "succeeds"), [("mini", True), ("no-such-system", False)])
def test_the_chart_s_test_makes_a_vm_and_leaves_none(stack: Stack, tmp_path: Path, system: str, succeeds: bool) -> None:
    command = tmp_path / "inn"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m innkeeper.cli.main "$@"\n')
    command.chmod(0o755)
    password = stack.directory / "admin.password"
    told = {"API": stack.api_url, "ADMIN": "admin", "VM_OS": system, "VM_FLAVOR": "tiny", "TIMEOUT_S": "60"}
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "PASSWORD_FILE": str(password)}
    done = subprocess.run(
        ["sh", "-ec", SCRIPT.read_text()],
        env={**environment, "PYTHONPATH": str(ROOT), **told},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
    assert ("ready" in done.stdout) is succeeds
    with Client(stack.api_url) as client:
        client.login("admin", password.read_text().strip())
        assert not [vm.name for vm in client.vms.list() if vm.name.startswith("helm-test-")]
