# SPDX-License-Identifier: Apache-2.0
"""`inn` and its servers: signing in and out, tokens in the config file, contexts, the environment; how it starts."""

import stat
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import innkeeper
from innkeeper.cli import contexts
from tests.support.canned_api import Asked, CannedApi, Reply, problem
from tests.unit.client.conftest import Inn

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures("signed_in")


def test_login_keeps_tokens_in_a_private_file_and_prints_no_secret(
    api: CannedApi, command: Inn, signed_in: Path
) -> None:
    api.on("POST /v1/auth/token", Reply(200, {"access_token": "access-new", "refresh_token": "refresh-new"}))
    outcome = command("--context", "two", "login", api.url, "-u", "bob", "--password-stdin", input="hunter22\n")
    assert outcome.exit_code == 0
    assert api.asked[0].body == {"username": "bob", "password": "hunter22"}
    assert not any(word in outcome.output for word in ("hunter22", "access-new", "refresh-new"))
    assert stat.S_IMODE(signed_in.stat().st_mode) == 0o600
    assert "hunter22" not in signed_in.read_text()
    config = contexts.read(signed_in)
    assert config.current == "two"
    assert config.contexts["two"].access_token == "access-new"
    assert config.contexts["default"].access_token == "access-secret"


def test_a_renewed_token_is_kept(api: CannedApi, command: Inn, signed_in: Path) -> None:
    api.on("GET /v1/os", problem(401, "unauthenticated", "expired"), Reply(200, {"items": [], "next": None}))
    api.on("POST /v1/auth/refresh", Reply(200, {"access_token": "access-2", "refresh_token": "refresh-2"}))
    assert command("os", "list").exit_code == 0
    kept = contexts.read(signed_in).contexts["default"]
    assert (kept.access_token, kept.refresh_token) == ("access-2", "refresh-2")


def test_a_token_another_inn_has_just_renewed_is_used_and_not_renewed_twice(
    api: CannedApi, command: Inn, signed_in: Path
) -> None:
    def expired(_: Asked) -> Reply:
        with contexts.changing(signed_in) as box:
            newer = replace(box[0].contexts["default"], access_token="access-2", refresh_token="refresh-2")
            box[0] = box[0].having("default", newer)
        return problem(401, "unauthenticated", "expired")

    api.on("GET /v1/os", expired, Reply(200, {"items": [], "next": None}))
    assert command("os", "list").exit_code == 0
    assert [a.headers["authorization"] for a in api.asked] == ["Bearer access-secret", "Bearer access-2"]


def test_the_environment_wins_over_the_file(
    api: CannedApi, command: Inn, signed_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INN_TOKEN", "a.b.from-environment")
    monkeypatch.setenv("INN_PROJECT", "other")
    api.on("GET /v1/flavors", Reply(200, {"items": [], "next": None}))
    command("flavor", "list")
    assert api.asked[0].headers["authorization"] == "Bearer a.b.from-environment"
    assert api.asked[0].headers["x-project"] == "other"


def test_an_api_token_is_exchanged_and_never_stored(
    api: CannedApi, command: Inn, signed_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INN_TOKEN", "api-token")
    api.on("POST /v1/auth/token", Reply(200, {"access_token": "a.b.c", "refresh_token": "d.e.f"}))
    api.on("GET /v1/flavors", Reply(200, {"items": [], "next": None}))
    assert command("flavor", "list").exit_code == 0
    assert api.asked[0].body == {"api_token": "api-token"}
    assert api.asked[1].headers["authorization"] == "Bearer a.b.c"
    assert contexts.read(signed_in).contexts["default"].access_token == "access-secret"


def test_another_server_gets_none_of_this_one_s_tokens(api: CannedApi, command: Inn, signed_in: Path) -> None:
    with contexts.changing(signed_in) as box:
        box[0] = box[0].having("default", contexts.Context("http://127.0.0.1:9", "ada", "lab", "access-secret", "r"))
    api.on("GET /v1/os", Reply(200, {"items": [], "next": None}))
    command("--url", api.url, "os", "list")
    assert "authorization" not in api.asked[0].headers


def test_logout_forgets_the_tokens_here_and_at_the_server(api: CannedApi, command: Inn, signed_in: Path) -> None:
    api.on("POST /v1/auth/revoke", Reply(204, ""))
    assert command("logout").exit_code == 0
    assert api.asked[0].body == {"refresh_token": "refresh-secret"}
    assert "secret" not in signed_in.read_text()


def test_a_broken_config_file_is_named(command: Inn, signed_in: Path) -> None:
    signed_in.write_text("{")
    outcome = command("vm", "list")
    assert outcome.exit_code == 2
    assert str(signed_in) in outcome.stderr


def test_contexts_are_listed_switched_and_forgotten(command: Inn, signed_in: Path) -> None:
    with contexts.changing(signed_in) as box:
        box[0] = box[0].having("two", contexts.Context("http://192.0.2.1:8080", "bob"))
    assert command("context", "use", "two").exit_code == 0
    listed = command("context", "list").stdout
    assert "*  two" in listed
    assert "secret" not in listed
    assert command("context", "forget", "two").exit_code == 0
    assert command("context", "use", "two").exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_for_inn(command: Inn, shell: str) -> None:
    assert f"_INN_COMPLETE={shell}_complete" in command("completion", shell).stdout


def test_the_version_is_the_distribution_s_and_needs_neither_httpx_nor_rich() -> None:
    expected = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert innkeeper.__version__ == expected
    code = "import sys; from innkeeper.cli.main import run; run(['version']); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.startswith(f"inn {expected}\n")
    assert not {"httpx", "rich", "yaml"} & set(out.split())


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(innkeeper, name) is not None for name in innkeeper.__all__)
