# SPDX-License-Identifier: Apache-2.0
"""From options, environment and the config file to a client that is signed in."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from innkeeper.cli import contexts
from innkeeper.cli.contexts import Config, Context

if TYPE_CHECKING:
    from innkeeper.client import Client
    from innkeeper.credentials import Exchange, Renewal
    from innkeeper.models.account import Tokens


@dataclass(frozen=True)
class Session:
    """What was asked for on the command line or in INN_*; "" where it was not."""

    context: str = ""
    url: str = ""
    token: str = ""
    project: str = ""

    @property
    def path(self) -> Path:
        """The config file."""
        return contexts.config_path(os.environ)

    def name(self, config: Config) -> str:
        """The context in use."""
        return self.context or config.current

    def chosen(self) -> Context:
        """The context in use, with what was asked for laid over it; raises BrokenConfig."""
        config = contexts.read(self.path)
        name = self.name(config)
        if self.context and name not in config.contexts and not self.url:
            known = ", ".join(sorted(config.contexts)) or "none yet"
            raise contexts.BrokenConfig(f"there is no context {name!r} (known: {known}); `inn --context {name} login`")
        found = config.contexts.get(name, Context())
        if self.url and self.url.rstrip("/") != found.url:
            found = Context(url=self.url.rstrip("/"))  # another server gets none of this one's tokens
        if self.token:
            found = replace(found, access_token=self.token, refresh_token="")
        return replace(found, project=self.project or found.project)

    def client(self) -> "Client":
        """A client for the context in use; renewed tokens are kept in the file."""
        from innkeeper.models.account import Tokens

        chosen = self.chosen()
        if self.token and not _is_access_token(self.token):
            client = connected(chosen.url, project=chosen.project)
            client.login_with_token(self.token)
            return client
        tokens = Tokens(access_token=chosen.access_token, refresh_token=chosen.refresh_token)
        return connected(chosen.url, tokens if chosen.access_token else None, chosen.project, self._renewed)

    def _renewed(self, old: "Tokens", exchange: "Exchange") -> "Tokens":
        """New tokens, kept in the file. Several `inn` may run at once and a refresh token is good for one use, so
        the file is locked meanwhile, and what another one has just written is used instead."""
        from innkeeper.credentials import exchanged
        from innkeeper.models.account import Tokens

        with contexts.changing(self.path) as box:
            name = self.name(box[0])
            found = box[0].contexts.get(name, Context())
            kept = Tokens(access_token=found.access_token, refresh_token=found.refresh_token)
            if kept.access_token and kept.access_token != old.access_token:
                return kept
            new = exchanged(old, exchange)
            changed = replace(found, access_token=new.access_token, refresh_token=new.refresh_token)
            box[0] = box[0].having(name, changed)
            return new


def _is_access_token(token: str) -> bool:
    """A JWT has three parts; what else INN_TOKEN holds is an API token, to be exchanged for one."""
    return token.count(".") == 2


def connected(
    url: str,
    tokens: "Tokens | None" = None,
    project: str = "",
    renewal: "Renewal | None" = None,
) -> "Client":
    """A client of the server at `url`; raises BrokenConfig for what is no address."""
    from innkeeper.client import Client, Manners

    try:
        return Client(url, tokens, project, Manners(renewal=renewal) if renewal else None)
    except ValueError as error:
        raise contexts.BrokenConfig(str(error)) from error
