# SPDX-License-Identifier: Apache-2.0
"""Networks on libvirt: made once, left alone while their definition is the same."""

import threading

import libvirt

from services.common.contracts.errors import HostFailed
from services.common.contracts.network import NetworkPlan
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.libvirt.mark import read_network_mark
from services.hostagent.drivers.libvirt.network_xml import network_digest, network_name, network_xml
from services.hostagent.drivers.libvirt.vendor_errors import code, translated


class Networks:
    """What is known to be there is not asked for again, until libvirt says that it changed."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}  # name -> digest

    def forget(self, name: str = "") -> None:
        """Look again next time: at that network, or at all."""
        if name:
            self._known.pop(name, None)
        else:
            self._known = {}

    def ensure(self, conn: libvirt.virConnect, plan: NetworkPlan) -> None:
        """Make it exist, run and start with the host. HostFailed for a foreign one, or one in use that differs."""
        name, digest = network_name(plan.id), network_digest(plan)
        if self._known.get(name) == digest:
            return
        with self._lock, translated(f"network {plan.name} ({name})"):
            if self._known.get(name) == digest:
                return
            network = self._defined(conn, plan)
            if not network.isActive():
                hit("agent.before-network-start")
                _start(network)
                hit("agent.after-network-start")
            if not network.autostart():
                network.setAutostart(1)
            self._known[name] = digest

    def drop(self, conn: libvirt.virConnect, network_id: str) -> None:
        """Remove it, where it is ours and nobody's. HostFailed while a vm is plugged into it."""
        name = network_name(network_id)
        with self._lock, translated(f"removing network {name}"):
            self._known.pop(name, None)
            found = _lookup(conn, name)
            mark = read_network_mark(found.XMLDesc()) if found is not None else None
            if found is None or mark is None or mark[0] != self._platform:
                return
            if found.isActive():
                if found.listAllPorts():
                    raise HostFailed(f"network {name} has vms on this host that are plugged into it")
                found.destroy()
            found.undefine()

    def _defined(self, conn: libvirt.virConnect, plan: NetworkPlan) -> libvirt.virNetwork:
        found = _lookup(conn, network_name(plan.id))
        if found is not None:
            mark = read_network_mark(found.XMLDesc())
            if mark is None or mark[0] != self._platform:
                raise HostFailed(f"network {found.name()} on this host isn't ours; rename or remove it")
            if mark[1] == network_digest(plan):
                return found
            _take_down(found, plan)
        hit("agent.before-network-define")
        return conn.networkDefineXML(network_xml(plan, self._platform))


def _lookup(conn: libvirt.virConnect, name: str) -> libvirt.virNetwork | None:
    try:
        return conn.networkLookupByName(name)
    except libvirt.libvirtError as error:
        if code(error) == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def _start(network: libvirt.virNetwork) -> None:
    try:
        network.create()
    except libvirt.libvirtError:
        # Somebody (autostart, an administrator) may have been faster; only that is fine.
        if not network.isActive():
            raise


def _take_down(network: libvirt.virNetwork, plan: NetworkPlan) -> None:
    """Stop a network whose definition shall change; HostFailed while a vm is plugged into it."""
    if not network.isActive():
        return
    if network.listAllPorts():
        raise HostFailed(
            f"network {plan.name} has changed, but vms on this host are plugged into its old form; stop them first"
        )
    network.destroy()
