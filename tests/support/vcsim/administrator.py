# SPDX-License-Identifier: Apache-2.0
"""Somebody who changes things in vCenter behind the platform's back, in a session of their own."""

from collections.abc import Iterable
from typing import Any

from pyVmomi import vim

from services.hostagent.drivers.vsphere.collector import below
from services.hostagent.drivers.vsphere.session import Session
from services.hostagent.drivers.vsphere.settings import read_settings
from services.hostagent.drivers.vsphere.tasks import finish
from tests.support.vcsim.running import Vcsim


class Administrator:
    """Signed in as another user."""

    def __init__(self, server: Vcsim) -> None:
        self._session = Session(read_settings(server.settings(user="somebody.else@vsphere.local")))

    def sign_out(self, cookie: str) -> None:
        """End another's session, as an administrator does by hand and as a server does that was restarted."""
        key = cookie.partition("=")[2].strip('"')
        self._session.call("signing out", lambda seat: seat.content.sessionManager.TerminateSession([key]))

    def all(self, kind: Any, *paths: str) -> list[dict[str, Any]]:
        """These properties of everything of a kind, each with `ref`."""
        found = self._session.call("listing", lambda seat: below(seat, seat.content.rootFolder, kind, paths))
        return [{"ref": item.ref, **item.properties} for item in found]

    def named(self, kind: Any, name: str) -> Any:
        """The one of that name."""
        return next(item["ref"] for item in self.all(kind, "name") if item["name"] == name)

    def add_port_groups(self, names: Iterable[str]) -> None:
        """Distributed ones; the simulator tells of no others that were added."""
        group = vim.dvs.DistributedVirtualPortgroup.ConfigSpec
        switch = self.all(vim.DistributedVirtualSwitch, "name")[0]["ref"]
        self.run(switch.AddDVPortgroup_Task([group(name=name, type="earlyBinding", numPorts=8) for name in names]))

    def run(self, task: Any) -> Any:
        """The result of a task."""
        return finish(self._session, "administering", task)

    def close(self) -> None:
        """Sign out."""
        self._session.close()
