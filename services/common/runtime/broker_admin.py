# SPDX-License-Identifier: Apache-2.0
"""Users of the broker: one per host agent, with rights to its own queue and its own routing key only.

Speaks RabbitMQ's management HTTP API. Rights as measured: configure nothing, write the events exchange, read the
host's queue; the topic permission pins the routing key. Everything else answers 403.
"""

import base64
import hashlib
import os
import re
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from services.common.contracts.errors import TryAgain
from services.common.contracts.topics import AGENT_EXCHANGE, host_queue


def rabbit_password_hash(password: str) -> str:
    """RabbitMQ's salted SHA-256 of a password: base64(salt + sha256(salt + password))."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def host_user(host_id: str) -> str:
    """The broker user of a host's agent."""
    return host_queue(host_id)


class BrokerAdmin:
    """Makes and removes agents' users. Every call may be repeated. Raises TryAgain where the broker is away."""

    def __init__(self, admin_url: str):
        parts = urlsplit(admin_url)
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._client = httpx.Client(
            base_url=bare, auth=(parts.username or "", parts.password or ""), timeout=5, trust_env=False
        )

    def ensure_host(self, host_id: str, password_hash: str) -> None:
        """The host's user exists with this password and exactly its rights."""
        user = host_user(host_id)
        name = quote(user, safe="")
        rights = {"configure": "^$", "write": f"^{re.escape(AGENT_EXCHANGE)}$", "read": f"^{re.escape(user)}$"}
        topic = {"exchange": AGENT_EXCHANGE, "write": f"^{re.escape(user)}$", "read": "^$"}
        self._put(f"/api/users/{name}", {"password_hash": password_hash, "tags": ""})
        self._put(f"/api/permissions/%2F/{name}", rights)
        self._put(f"/api/topic-permissions/%2F/{name}", topic)

    def drop_host(self, host_id: str) -> None:
        """The host's user is gone, and its connections with it."""
        name = quote(host_user(host_id), safe="")
        self._call("DELETE", f"/api/users/{name}", None, (204, 404))
        self.drop_queue(host_queue(host_id))

    def drop_queue(self, name: str) -> None:
        """The queue is gone, whatever it held."""
        self._call("DELETE", f"/api/queues/%2F/{quote(name, safe='')}", None, (204, 404))

    def _put(self, path: str, body: dict[str, str]) -> None:
        self._call("PUT", path, body, (200, 201, 204))

    def _call(self, method: str, path: str, body: dict[str, str] | None, fine: tuple[int, ...]) -> None:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise TryAgain(f"the broker's management API does not answer: {error}") from error
        if answer.status_code not in fine:
            raise TryAgain(f"the broker's management API answered {answer.status_code} to {method} {path}")

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
