# SPDX-License-Identifier: Apache-2.0
"""Users, projects and tokens by `inn` alone, on the real API."""

import os
from pathlib import Path

from tests.integration.client.conftest import Inn, shell
from tests.support.stack import ROOT, Stack


def test_a_user_is_let_into_a_project_works_by_a_token_and_is_put_out_again(
    inn: Inn, stack: Stack, tmp_path: Path
) -> None:
    def ok(*words: str, input: str = "") -> str:
        done = inn(*words, input=input)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ok("user", "create", "bob", "--password-stdin", input="correct horse 1\n")
    assert "vms=3" in ok("project", "create", "lab", "--quota", "vms=3", "--quota", "images=2")
    assert "none" in ok("project", "change", "lab", "--quota", "vms=none", "--quota", "images=none")
    assert ok("project", "member", "lab", "bob", "member") == "bob is member of lab\n"
    assert "member" in ok("project", "members", "lab")
    assert "lab (member)" in ok("user", "show", "bob")

    own = {k: v for k, v in os.environ.items() if not k.startswith("INN_")}
    own |= {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path)}
    his = shell(own)
    assert his("login", stack.api_url, "-u", "bob", "--password-stdin", input="correct horse 1\n").returncode == 0
    made = his("token", "create", "ci", "--scope", "read", "--in", "lab", "--expires-in", "1h")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert secret not in his("token", "list", "-o", "json").stdout
    by_token = shell(own | {"INN_TOKEN": secret, "XDG_CONFIG_HOME": str(tmp_path / "none")})
    seen = by_token("--url", stack.api_url, "--project", "lab", "vm", "list")
    assert seen.returncode == 0, seen.stderr
    assert his("user", "list").returncode != 0

    assert his("user", "passwd", "--password-stdin", input="correct horse 1\ncorrect horse 2\n").returncode == 0
    assert his("login", stack.api_url, "-u", "bob", "--password-stdin", input="correct horse 2\n").returncode == 0
    assert his("token", "delete", "ci", "--yes").returncode == 0
    assert by_token("--url", stack.api_url, "--project", "lab", "vm", "list").returncode != 0

    assert "no, disabled" in ok("user", "disable", "bob")
    assert his("login", stack.api_url, "-u", "bob", "--password-stdin", input="correct horse 2\n").returncode != 0
    ok("project", "member", "lab", "bob", "none")
    ok("user", "delete", "bob", "--yes")
    ok("project", "delete", "lab", "--yes")
