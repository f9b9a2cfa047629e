# SPDX-License-Identifier: Apache-2.0
"""This machine as a host of the stack."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from deploy.local import hypervisor, own_agents
from deploy.local.home import Home
from deploy.local.own_agents import OwnAgent
from deploy.local.settings import Addresses

if TYPE_CHECKING:
    from innkeeper import Client
    from innkeeper.models.host import Host


def agent(home: Home) -> OwnAgent:
    """The host `<hostname>`."""
    name = socket.gethostname().split(".")[0] or "local"
    return OwnAgent("hostagent", home.agent_config, name, partial(_local, home))


def ensure(home: Home, client: Client) -> Host:
    """The host, registered and up. Raises HostNotUp."""
    return own_agents.ensure(home, client, agent(home))


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
