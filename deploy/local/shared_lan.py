# SPDX-License-Identifier: Apache-2.0
"""One network on both kinds of hosts: a bridge of this machine's with the name of the simulator's port group.

A vm that may go to either needs a network that is on both. libvirt makes the bridge, with no address and no way out.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local import hypervisor, hypervisors
from deploy.local.home import Home
from deploy.local.servers.base import ServerError, plain_env
from deploy.local.vsphere_side import LAN, LAN_CIDR

if TYPE_CHECKING:
    from innkeeper import Client

NAME = "lan"
_LIBVIRT = "innkeeper-demo-lan"
_XML = f"<network><name>{_LIBVIRT}</name><bridge name='{LAN}' stp='off' delay='0'/></network>"


def ensure(home: Home, client: Client) -> None:
    """The bridge on this machine, and the platform's network `lan` over bridge and port group. Raises ServerError."""
    found = hypervisor.recorded(home)
    if found is not None:
        _ensure_bridge(found.uri)
    if NAME not in {network.name for network in client.networks.list()}:
        client.networks.create({"name": NAME, "kind": "bridge", "bridge": LAN, "cidr": LAN_CIDR})


def remove(home: Home) -> None:
    """Take the bridge off the machine's own libvirtd; a private one ends with all of its networks."""
    found = hypervisor.recorded(home)
    if found is None or found.own or hypervisors.VSPHERE not in hypervisors.chosen(home.hypervisors_file):
        return
    for verb in ("net-destroy", "net-undefine"):
        _virsh(found.uri, verb, _LIBVIRT)


def _ensure_bridge(uri: str) -> None:
    if _LIBVIRT in _virsh(uri, "net-list", "--name").stdout.split() or Path("/sys/class/net", LAN).exists():
        return  # another stack's on this machine will do: its name is what counts
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(_XML)
        file.flush()
        done = [_virsh(uri, "net-define", file.name), _virsh(uri, "net-start", _LIBVIRT)]
    _virsh(uri, "net-autostart", _LIBVIRT)
    if done[-1].returncode:
        raise ServerError(f"libvirt can't make the bridge {LAN}: {done[-1].stderr.strip()}")


def _virsh(uri: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["virsh", "-q", "-c", uri, *words]
    return subprocess.run(command, env=plain_env(), capture_output=True, text=True, timeout=30, check=False)
