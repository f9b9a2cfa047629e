# SPDX-License-Identifier: Apache-2.0
"""One vSphere place with all it takes to act on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.datastore_settings import Store
from services.hostagent.drivers.vsphere.datastore import Datastore
from services.hostagent.drivers.vsphere.machines import Machine, Machines
from services.hostagent.drivers.vsphere.networks import Networks
from services.hostagent.drivers.vsphere.places import Place, Places
from services.hostagent.drivers.vsphere.session import Seat, Session
from services.hostagent.drivers.vsphere.settings import VsphereSettings
from services.hostagent.drivers.vsphere.tasks import DEADLINE_S, finish

T = TypeVar("T")


@dataclass(frozen=True)
class Hypervisor:
    """Its parts. Every call may be repeated by the session, so what is handed to it must bear that."""

    platform: str
    session: Session
    places: Places
    machines: Machines
    networks: Networks
    datastore: Datastore

    def call(self, doing: str, what: Callable[[Seat, Place], T]) -> T:
        """What `what` returns, its errors as ours."""
        try:
            return self.session.call(doing, lambda seat: what(seat, self.places.get(seat)))
        except HostFailed as error:
            self.networks.forget()  # perhaps one of them has gone, or another came
            if error.extra.get("vsphere") == "ManagedObjectNotFound":
                self.places.doubt()
            raise

    def run(self, doing: str, begin: Callable[[Seat, Place], Any], deadline_s: float = DEADLINE_S) -> Any:
        """The result of the task that `begin` starts; None where it says that there is nothing to do."""
        task = self.call(doing, begin)
        return None if task is None else finish(self.session, doing, task, deadline_s)

    def place(self) -> Place:
        """Where our vms live."""
        return self.call("finding our place", lambda _seat, place: place)

    def find(self, vm: str) -> Machine | None:
        """The vm or None."""
        return self.call(f"looking at vm {vm}", lambda seat, place: self.machines.find(seat, place, vm))


def hypervisor(settings: VsphereSettings, platform: str, stores: Sequence[Store] = ()) -> Hypervisor:
    """Wired. Nothing is connected before the first call."""
    session = Session(settings)
    return Hypervisor(
        platform=platform,
        session=session,
        places=Places(settings, platform, stores),
        machines=Machines(platform),
        networks=Networks(),
        datastore=Datastore(settings, session),
    )
