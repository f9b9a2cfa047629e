# SPDX-License-Identifier: Apache-2.0
"""This machine as a host of the stack: registered once, its agent's configuration kept readable by its owner only."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from deploy.local import hypervisor
from deploy.local.files import write
from deploy.local.home import Home
from deploy.local.servers import RabbitMQ
from deploy.local.settings import Addresses

if TYPE_CHECKING:
    from innkeeper import Client
    from innkeeper.models.host import Host

UP_LIMIT_S = 60.0


class HostNotUp(Exception):
    """The agent didn't report in time."""


def ensure(home: Home, client: Client) -> Host:
    """The host `<hostname>`, registered and up. Raises HostNotUp."""
    if not home.agent_config.exists():
        _register(home, client)
    host_id = yaml.safe_load(home.agent_config.read_text())["host_id"]
    end = time.monotonic() + UP_LIMIT_S
    while (host := client.hosts.get(host_id)).state != "up":
        if time.monotonic() > end:
            raise HostNotUp(f"the host agent did not report; its log is {home.log('hostagent')}")
        time.sleep(0.1)
    return host


def _register(home: Home, client: Client) -> None:
    taken = {host.name for host in client.hosts.list()}
    base = socket.gethostname().split(".")[0] or "local"
    name = next(n for n in (base, *(f"{base}-{k}" for k in range(2, 1000))) if n not in taken)
    registered = client.hosts.register(name, "libvirt")
    write(home.agent_config, yaml.safe_dump({**registered.agent, **_local(home)}, sort_keys=True))


def _local(home: Home) -> dict[str, Any]:
    found = hypervisor.ensure(home)
    directory = home.root / "agent" / "host"
    directory.mkdir(parents=True, exist_ok=True)
    return {
        "driver": "libvirt",
        "directory": str(directory),
        "libvirt_uri": found.uri,
        "accelerator": found.accel,
        "metrics_port": Addresses.load(home).metrics["hostagent"],
    }


def refresh(home: Home) -> bool:
    """After a start: tell the agent's configuration where broker, libvirt and metrics are; whether that is new."""
    if not home.agent_config.exists():
        return False
    known = yaml.safe_load(home.agent_config.read_text())
    parts = urlsplit(known["broker_url"])
    server = urlsplit(RabbitMQ(home.server("rabbitmq")).url)
    netloc = f"{parts.netloc.rpartition('@')[0]}@{server.hostname}:{server.port}"
    fresh = yaml.safe_dump({**known, **_local(home), "broker_url": urlunsplit(parts._replace(netloc=netloc))})
    if yaml.safe_load(fresh) == known:
        return False
    write(home.agent_config, fresh)
    return True
