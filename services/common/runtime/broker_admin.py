# SPDX-License-Identifier: Apache-2.0
"""Users of the broker: one per host agent, with rights to its own queue and its own routing key only.

Speaks RabbitMQ's management HTTP API. Rights as measured: configure nothing, write the events exchange, read the
host's queue; the topic permission pins the routing key. Everything else answers 403.
"""

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any
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


def _wanted(host_id: str, password_hash: str) -> dict[str, dict[str, str]]:
    """What is put where so that a host's user is as it must be; the user comes first."""
    user = host_user(host_id)
    rights = {"configure": "^$", "write": f"^{re.escape(AGENT_EXCHANGE)}$", "read": f"^{re.escape(user)}$"}
    topic = {"exchange": AGENT_EXCHANGE, "write": f"^{re.escape(user)}$", "read": "^$"}
    return {
        _path("users", user): {"password_hash": password_hash, "tags": ""},
        _path("permissions", user, "/"): rights,
        _path("topic-permissions", user, "/"): topic,
    }


def _path(what: str, user: str, vhost: str | None = None) -> str:
    words = (user,) if vhost is None else (vhost, user)
    return "/".join(["/api", what, *(quote(word, safe="") for word in words)])


def _key(path: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """A user has topic rights for each exchange."""
    return path, body.get("exchange", "")


def _holds(row: Mapping[str, Any] | None, body: Mapping[str, str]) -> bool:
    # Tags are a list, in older releases a text; without any, both are empty.
    return row is not None and all(value == (row.get(key) or "") for key, value in body.items())


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
        for path, body in _wanted(host_id, password_hash).items():
            self._call("PUT", path, body, (200, 201, 204))

    def ensure_hosts(self, password_hashes: Mapping[str, str]) -> None:
        """The same of many hosts. They are looked at all at once, and only what is not so is written."""
        if not password_hashes:
            return
        there = {**self._there("users"), **self._there("permissions"), **self._there("topic-permissions")}
        for host_id, password_hash in password_hashes.items():
            for path, body in _wanted(host_id, password_hash).items():
                if not _holds(there.get(_key(path, body)), body):
                    self._call("PUT", path, body, (200, 201, 204))

    def _there(self, what: str) -> dict[tuple[str, str], dict[str, Any]]:
        found = self._call("GET", f"/api/{what}", None, (200,)).json()
        return {_key(_path(what, row.get("user") or row["name"], row.get("vhost")), row): row for row in found}

    def drop_host(self, host_id: str) -> None:
        """The host's user is gone, and its connections with it."""
        name = quote(host_user(host_id), safe="")
        self._call("DELETE", f"/api/users/{name}", None, (204, 404))
        self.drop_queue(host_queue(host_id))

    def drop_queue(self, name: str) -> None:
        """The queue is gone, whatever it held."""
        self._call("DELETE", f"/api/queues/%2F/{quote(name, safe='')}", None, (204, 404))

    def _call(self, method: str, path: str, body: Mapping[str, str] | None, fine: tuple[int, ...]) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise TryAgain(f"the broker's management API does not answer: {error}") from error
        if answer.status_code not in fine:
            raise TryAgain(f"the broker's management API answered {answer.status_code} to {method} {path}")
        return answer

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
