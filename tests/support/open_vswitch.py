# SPDX-License-Identifier: Apache-2.0
"""An Open vSwitch of a private libvirtd's own: in its room, with a datapath that needs no kernel module."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.servers.base import need
from deploy.local.servers.libvirtd import Libvirtd
from tests.support.missing import servers_needed
from tests.support.wire import run_in_the_room

_AT = "/run/openvswitch"  # where its programs look for it, those that libvirt calls too
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_DAEMONS = ("ovs-vswitchd", "ovsdb-server")


class OpenVswitch:
    """The switch; `directory` is what is at /run/openvswitch in the room."""

    def __init__(self, libvirtd: Libvirtd) -> None:
        self._libvirtd = libvirtd
        self.directory = libvirtd.directory / "ovs"

    def set(self, *words: str) -> str:
        """Run ovs-vsctl."""
        return run_in_the_room(self._libvirtd, "ovs-vsctl", "--timeout=10", *words).strip()

    def add_peer(self, bridge: str, name: str, tag: int, mac: str, address: str) -> None:
        """A port of the host itself on this VLAN, with an address."""
        kind = ("--", "set", "interface", name, "type=internal", f'mac="{mac}"')
        self.set("add-port", bridge, name, f"tag={tag}", *kind)
        run_in_the_room(self._libvirtd, "ip", "addr", "add", address, "dev", name)
        run_in_the_room(self._libvirtd, "ip", "link", "set", name, "up")

    def start(self) -> None:
        """Its directory is seen in the room alone; the daemons return when they are ready."""
        for program in (*_DAEMONS, "ovs-vsctl", "ovsdb-tool"):
            need(program, package="openvswitch-switch")
        self.directory.mkdir()
        database, socket = f"{_AT}/conf.db", f"{_AT}/db.sock"
        for command in (
            ("mkdir", "-p", _AT),
            ("mount", "--bind", str(self.directory), _AT),
            ("ovsdb-tool", "create", database, _SCHEMA),
            ("ovsdb-server", database, f"--remote=punix:{socket}", *_daemon("ovsdb-server")),
            ("ovs-vsctl", "--no-wait", "init"),
            ("ovs-vswitchd", *_daemon("ovs-vswitchd")),
        ):
            run_in_the_room(self._libvirtd, *command)

    def stop(self) -> None:
        """End the daemons that it has started, by their pids."""
        for name in _DAEMONS:
            if (self.directory / f"{name}.pid").exists():
                run_in_the_room(self._libvirtd, "ovs-appctl", "-t", name, "exit")


def _daemon(name: str) -> tuple[str, ...]:
    return (f"--pidfile={_AT}/{name}.pid", f"--log-file={_AT}/{name}.log", "--detach", "-vconsole:off")


@contextmanager
def open_vswitch(libvirtd: Libvirtd, bridge: str) -> Iterator[OpenVswitch]:
    """A switch with this bridge for the length of the block. Missing: fails in CI, else skips."""
    switch = OpenVswitch(libvirtd)
    with servers_needed():
        switch.start()
    try:
        switch.set("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
        yield switch
    finally:
        switch.stop()
