# SPDX-License-Identifier: Apache-2.0
"""`make demo`: from a running stack to two running virtual machines, through the HTTP API alone."""

from __future__ import annotations

import subprocess
import sys

from deploy.local.files import secret
from deploy.local.home import Home
from deploy.local.processes import servers
from deploy.local.settings import Addresses, environment
from deploy.local.stack import Say, StackError


def run(home: Home, say: Say) -> None:
    """Make an administrator, register this machine as a host, provision `mini` and `debian-12`. Raises StackError."""
    first = not home.admin_password.exists()
    password = secret(home.admin_password)
    create_admin(home)
    if first:
        say(f"admin's password (shown once, kept in {home.admin_password}): {password}")
    say(f"API docs: {Addresses.load(home).api_url}/docs")


def create_admin(home: Home) -> None:
    """The user `admin` with the password of its file; one that exists is left alone."""
    words = ["create-admin", "--username", "admin", "--password-file", str(home.admin_password)]
    done = subprocess.run(
        [sys.executable, "-m", "services.api.admin", *words],
        env=environment(home, Addresses.load(home), *servers(home)),
        cwd=home.checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"could not create the administrator: {(done.stderr or done.stdout).strip()}")
