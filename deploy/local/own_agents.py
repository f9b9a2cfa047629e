# SPDX-License-Identifier: Apache-2.0
"""An agent of this stack: registered once, its configuration kept readable by its owner only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from deploy.local.files import write
from deploy.local.home import Home
from deploy.local.servers import RabbitMQ

if TYPE_CHECKING:
    from innkeeper import Client
    from innkeeper.models.host import Host

UP_LIMIT_S = 60.0


class HostNotUp(Exception):
    """The agent didn't report in time."""


@dataclass(frozen=True)
class OwnAgent:
    """Which process it is, where its configuration lies, and what of it the stack knows: `local`, driver included."""

    process: str
    config: Path
    name: str
    local: Callable[[], dict[str, Any]]


def ensure(home: Home, client: Client, agent: OwnAgent) -> Host:
    """Its host, registered and up. Raises HostNotUp."""
    if not agent.config.exists():
        _register(client, agent)
    host_id = yaml.safe_load(agent.config.read_text())["host_id"]
    end = time.monotonic() + UP_LIMIT_S
    while (host := client.hosts.get(host_id)).state != "up":
        if time.monotonic() > end:
            raise HostNotUp(f"the host agent did not report; its log is {home.log(agent.process)}")
        time.sleep(0.1)
    return host


def _register(client: Client, agent: OwnAgent) -> None:
    taken = {host.name for host in client.hosts.list()}
    names = (agent.name, *(f"{agent.name}-{k}" for k in range(2, 1000)))
    own = agent.local()
    registered = client.hosts.register(next(name for name in names if name not in taken), own["driver"])
    write(agent.config, yaml.safe_dump({**registered.agent, **own}, sort_keys=True))


def refresh(home: Home, agent: OwnAgent) -> bool:
    """After a start: tell the agent's configuration where everything is now; whether that is new."""
    if not agent.config.exists():
        return False
    known = yaml.safe_load(agent.config.read_text())
    parts = urlsplit(known["broker_url"])
    server = urlsplit(RabbitMQ(home.server("rabbitmq")).url)
    netloc = f"{parts.netloc.rpartition('@')[0]}@{server.hostname}:{server.port}"
    fresh = yaml.safe_dump({**known, **agent.local(), "broker_url": urlunsplit(parts._replace(netloc=netloc))})
    if yaml.safe_load(fresh) == known:
        return False
    write(agent.config, fresh)
    return True
