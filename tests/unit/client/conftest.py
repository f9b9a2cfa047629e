# SPDX-License-Identifier: Apache-2.0
"""A canned API, a client of it that never waits long, and `inn` with a home of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from innkeeper.cli import contexts
from innkeeper.cli.contexts import Config, Context
from innkeeper.cli.main import inn, run
from innkeeper.client import Client, Manners
from innkeeper.models.account import Tokens
from innkeeper.retry import RetryPolicy
from innkeeper.watch import WatchPolicy
from tests.support.canned_api import CannedApi, serving

Inn = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[CannedApi]:
    with serving() as canned:
        yield canned


@pytest.fixture
def client(api: CannedApi) -> Iterator[Client]:
    patience = WatchPolicy(pause_s=0.01, poll_s=0.01, patience_s=5)
    manners = Manners(timeout_s=5, retry=RetryPolicy(attempts=4, first_s=0.01), watch=patience)
    with Client(api.url, Tokens(access_token="access-1", refresh_token="refresh-1"), manners=manners) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file of a user who has none yet; nothing of the real user's environment is seen."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("INN_URL", "INN_TOKEN", "INN_PROJECT", "INN_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "innkeeper" / "config.json"


@pytest.fixture
def signed_in(config: Path, api: CannedApi) -> Path:
    """The config file of a user who is signed in to the canned API."""
    context = Context(api.url, "ada", "lab", "access-secret", "refresh-secret")
    with contexts.changing(config) as box:
        box[0] = Config("default", {"default": context})
    return config


@pytest.fixture
def command(config: Path) -> Inn:
    """`inn` as a shell runs it: its output, apart and together, and its exit code."""

    def call(*args: str, input: str = "") -> Result:
        runner = CliRunner()
        outcome = runner.invoke(_whole, args, input=input, prog_name="inn")
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return outcome

    return call


class _Whole(type(inn)):  # type: ignore[misc]
    """CliRunner calls main(); the errors of `run` belong to what is tested."""

    def main(self, args: list[str] | None = None, **_: object) -> None:
        raise SystemExit(run(list(args or [])))


_whole = _Whole("inn")
