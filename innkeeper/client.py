# SPDX-License-Identifier: Apache-2.0
"""The client: one object, one server, its nouns as attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from innkeeper.credentials import Credentials, Renewal, exchanged
from innkeeper.models.account import Tokens
from innkeeper.models.catalogue import Flavor, Os
from innkeeper.models.shape import load
from innkeeper.resources.accounts import ApiTokens, Projects, Users
from innkeeper.resources.audit import Audits
from innkeeper.resources.collection import Collection
from innkeeper.resources.events import Events
from innkeeper.resources.hosts import Hosts
from innkeeper.resources.images import Images
from innkeeper.resources.jobs import Jobs
from innkeeper.resources.media import MediaLibrary
from innkeeper.resources.networks import Networks
from innkeeper.resources.placements import Decisions, Placements
from innkeeper.resources.policies import Policies
from innkeeper.resources.vms import Vms
from innkeeper.resources.volumes import Volumes
from innkeeper.retry import RetryPolicy
from innkeeper.transport import Call, Transport
from innkeeper.watch import WatchPolicy


@dataclass(frozen=True)
class Manners:
    """How patient a client is; `timeout_s` is for one answer, a job may take as long as it takes."""

    timeout_s: float = 30.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    watch: WatchPolicy = field(default_factory=WatchPolicy)
    renewal: Renewal = exchanged  # how tokens that ran out are renewed, and where new ones are kept


class Client:
    """Thread-safe. Raises what innkeeper.errors names; ValueError for an address that is no HTTP URL."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        tokens: Tokens | str | None = None,
        project: str = "",
        manners: Manners | None = None,
    ):
        manners = manners or Manners()
        if isinstance(tokens, str):
            tokens = Tokens(access_token=tokens)
        self._credentials = Credentials(tokens, manners.renewal)
        self._transport = Transport(_http(base_url, manners.timeout_s), self._credentials, project, manners.retry)
        self.vms = Vms(self._transport)
        self.volumes = Volumes(self._transport)
        self.jobs = Jobs(self._transport, manners.watch)
        self.hosts = Hosts(self._transport)
        self.os = Collection(self._transport, "/v1/os", Os)
        self.flavors = Collection(self._transport, "/v1/flavors", Flavor)
        self.networks = Networks(self._transport)
        self.media = MediaLibrary(self._transport)
        self.users = Users(self._transport)
        self.projects = Projects(self._transport)
        self.tokens = ApiTokens(self._transport)
        self.placements = Placements(self._transport)
        self.decisions = Decisions(self._transport)
        self.policies = Policies(self._transport)
        self.images = Images(self._transport)
        self.events = Events(self._transport)
        self.audit = Audits(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def login(self, username: str, password: str) -> Tokens:
        """Sign in; the tokens are used from now on. Raises NotSignedIn for a wrong name or password."""
        return self._sign_in({"username": username, "password": password})

    def login_with_token(self, api_token: str) -> Tokens:
        """Sign in with a named, expiring API token, as programs do. Raises NotSignedIn where it is no longer good."""
        return self._sign_in({"api_token": api_token})

    def logout(self) -> None:
        """End the session at the server, so that its refresh token is worth nothing any more."""
        if self._credentials.refresh:
            body = {"refresh_token": self._credentials.refresh}
            self._transport.send(Call("POST", "/v1/auth/revoke", json=body))
        self._credentials.use(None)

    def me(self) -> Mapping[str, Any]:
        """Who is signed in, and in which projects."""
        answer: Mapping[str, Any] = self._transport.json(Call("GET", "/v1/me"))
        return answer

    def _sign_in(self, proof: Mapping[str, str]) -> Tokens:
        call = Call("POST", "/v1/auth/token", json=dict(proof), signed=False)
        tokens = load(Tokens, self._transport.json(call))
        self._credentials.use(tokens)
        return tokens


def _http(base_url: str, timeout_s: float) -> httpx.Client:
    """No limit on connections: each followed job holds one."""
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"{base_url!r} is not an address like http://127.0.0.1:8080")
    try:
        return httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
        )
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r} is not an address: {error}") from error
