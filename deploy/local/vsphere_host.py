# SPDX-License-Identifier: Apache-2.0
"""The simulated vCenter's cluster as a host of the stack."""

from __future__ import annotations

from functools import partial
from typing import Any

from deploy.local import vsphere_side
from deploy.local.home import Home
from deploy.local.own_agents import OwnAgent

NAME = "vcenter-simulated"
# The simulator tells of a host with two processors and 4 GiB: room for little more than one vm.
_CAPACITY = {"vcpus": 16, "memory_mib": 32768, "disk_gib": 500}


def agent(home: Home) -> OwnAgent:
    """The host of that name."""
    return OwnAgent(vsphere_side.AGENT, home.vsphere_agent_config, NAME, partial(_local, home))


def _local(home: Home) -> dict[str, Any]:
    directory = home.root / "agent" / "vsphere"
    directory.mkdir(parents=True, exist_ok=True)
    return {
        "driver": "vsphere",
        "directory": str(directory),
        "vsphere": dict(vsphere_side.vcsim(home).settings),
        "capacity": _CAPACITY,
        "metrics_port": vsphere_side.metrics_port(home),
    }
