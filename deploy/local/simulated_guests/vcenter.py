# SPDX-License-Identifier: Apache-2.0
"""What a simulated guest sees of its machine: whether it has power, its cards, and the image in its drive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pyVmomi import vim

from deploy.local.simulated_guests.remote_file import RemoteFile
from services.hostagent.drivers.vsphere.collector import Found, below
from services.hostagent.drivers.vsphere.mark import read_mark
from services.hostagent.drivers.vsphere.session import Seat, Session
from services.hostagent.drivers.vsphere.settings import read_settings

_PATHS = ("name", "runtime.powerState", "summary.runtime.bootTime", "config.extraConfig", "config.hardware.device")
# In our images' names (hostagent.drivers.vsphere.seed_drive.image_name): what says to a machine what it shall be.
_SPEAKING = ("/installer-", "/seed-")


@dataclass(frozen=True)
class Machine:
    """A vm of the platform's with an installation image or a seed; `booted` is another one after each power-on."""

    key: str
    name: str
    power: str  # vSphere's word
    booted: str
    image: str  # [datastore] directory/name
    macs: tuple[str, ...]

    @property
    def on(self) -> bool:
        """Whether it runs now; one that is suspended stands still."""
        return self.power == "poweredOn"


class Vcenter:
    """A session of our own at the simulator."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = read_settings(settings)
        self._session = Session(self._settings)
        self._datacenter = ""

    def machines(self) -> list[Machine]:
        """All there are; HostFailed or TryAgain when it can't be asked."""
        found = self._session.call("listing vms", self._listed)
        return [machine for item in found if (machine := _machine(item)) is not None]

    def open(self, image: str) -> RemoteFile:
        """The image, by vSphere's path; OSError when it can't be read."""
        store, _, name = image.removeprefix("[").partition("] ")
        where = urlencode({"dcPath": self._datacenter, "dsName": store}, quote_via=quote)
        target = f"/folder/{quote(name)}?{where}"
        return RemoteFile(self._settings.address, self._session.context, target, self._session.cookie)

    def close(self) -> None:
        """Sign out."""
        self._session.close()

    def _listed(self, seat: Seat) -> list[Found]:
        root = seat.content.rootFolder
        if not self._datacenter:  # there is one alone, and it keeps its name
            self._datacenter = below(seat, root, vim.Datacenter, ("name",))[0].get("name")
        return below(seat, root, vim.VirtualMachine, _PATHS)


def _machine(item: Found) -> Machine | None:
    """None where it is none of the platform's, or nobody says what it shall be."""
    devices: list[Any] = list(item.get("config.hardware.device", ()))
    drives = (device for device in devices if isinstance(device, vim.vm.device.VirtualCdrom))
    names = [str(getattr(drive.backing, "fileName", "")) for drive in drives]
    images = [name for kind in _SPEAKING for name in names if kind in name]
    if not images or read_mark(item.get("config.extraConfig", ())) is None:
        return None
    cards = (device for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard))
    macs = tuple(str(card.macAddress).lower() for card in cards)
    power, booted = str(item.get("runtime.powerState")), str(item.get("summary.runtime.bootTime"))
    return Machine(str(item.ref._moId), item.get("name"), power, booted, images[0], macs)
