# SPDX-License-Identifier: Apache-2.0
"""Masters on vSphere: each is brought to a place once, as a template of ours, and disks of vms are copies of its disk.

A template never gets power and is no vm: it bears a mark of its own. It says of itself whether all of it has arrived;
half of one is removed and begun anew by whoever needs it next.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.commands import Artifact
from services.common.contracts.errors import HostFailed
from services.common.contracts.survey import Found as Surveyed
from services.common.contracts.survey import FoundKind
from services.common.runtime.failpoints import hit
from services.common.runtime.log import get_logger
from services.hostagent.drivers.base import Copied
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.drivers.vsphere import ovf, vmdk
from services.hostagent.drivers.vsphere.collector import Found, of, retrieve, within
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.lease import import_vm
from services.hostagent.drivers.vsphere.mark import Made, read_template_mark, template_mark
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.plugged_volumes import files_of
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.tasks import refuse

log = get_logger(__name__)
_PATHS = ("name", "config.extraConfig", "config.hardware.device", "config.template")
_SHOWN = 16  # digits of the sum in a template's name
_DISK = "disk.vmdk"
_LOOK_S = 1.0


@dataclass(frozen=True)
class Template:
    """One of ours, as it was when we looked."""

    ref: Any
    name: str
    made: Made
    disk: str  # the path of its disk on the datastore
    marked: bool  # vSphere knows that it is one


@dataclass(frozen=True)
class _Master:
    """A master as it lies with the agent, and who hears how far it is on its way."""

    base: Artifact
    path: Path
    copied: Copied


def _nobody(_percent: float) -> None:
    """Hears how far a master is."""


class Templates:
    """Those of our place. `files` says where the agent may put a file for a while."""

    def __init__(self, at: Hypervisor, files: VmFiles) -> None:
        self._at, self._directory = at, files.root / "templates"
        self._turn = threading.Lock()  # one is brought there at a time: converting one takes all of a processor
        self._lock = threading.Lock()
        self._used: Counter[str] = Counter()  # by sums: who copies from them now

    @contextmanager
    def disk_of(self, base: Artifact, master: Path, copied: Copied = _nobody) -> Iterator[str]:
        """The path of the disk that is the master, which is there for as long as the block.

        `copied` hears how far it is on its way there.
        """
        with self._lock:
            self._used[base.sha256] += 1
        try:
            yield self._ensured(base, master, copied).disk
        finally:
            with self._lock:
                self._used[base.sha256] -= 1

    def keep(self, masters: Collection[str]) -> list[str]:
        """Remove all that are of other masters than these and that nobody uses now; the names of those that went."""
        found = self._at.call("listing templates", self._all)
        return [one.name for one in found if one.made.sha256 not in masters and self._dropped(one)]

    def unowned(self, masters: Collection[str]) -> list[Surveyed]:
        """Those of other masters than these."""
        found = self._at.call("surveying templates", self._all)
        others = (one for one in found if one.made.sha256 not in masters)
        return [Surveyed(FoundKind.MASTER, one.name, "", one.made.sha256) for one in others]

    def _ensured(self, base: Artifact, master: Path, copied: Copied) -> Template:
        found = self._find(base.sha256)
        if found is None or not found.made.whole or not found.marked:
            with self._in_turn(copied):
                found = self._find(base.sha256)
                if found is None or not found.made.whole:
                    self._bring(_Master(base, master, copied), found)
                self._finish(base.sha256)
                found = self._find(base.sha256)
        if found is None:
            raise HostFailed(f"the template of {base.sha256[:12]} has vanished")
        return found

    @contextmanager
    def _in_turn(self, copied: Copied) -> Iterator[None]:
        while not self._turn.acquire(timeout=_LOOK_S):
            copied(0.0)
        try:
            yield
        finally:
            self._turn.release()

    def _bring(self, master: _Master, half: Template | None) -> None:
        base, copied = master.base, master.copied
        doing = f"bringing the disk image {base.sha256[:12]} to vSphere"
        hit("agent.before-import")
        if half is not None:
            self._destroy(half)
        vmdk.drop_leftovers(self._directory)
        with vmdk.streamed(master.path, base.format, self._directory, lambda part: copied(part / 2)) as disk:
            spec = self._spec(doing, base.sha256, disk)
            import_vm(self._at, doing, spec, disk, lambda part: copied(50 + part / 2))
        hit("agent.before-import-kept")
        log.info("a disk image was brought to vSphere", sha256=base.sha256, bytes=disk.size)
        self._say_whole(doing, base.sha256)
        hit("agent.after-import")

    def _spec(self, doing: str, sha256: str, disk: vmdk.Streamed) -> Any:
        name = self._name(sha256)
        text = ovf.descriptor(name, _DISK, disk.size, disk.capacity)

        def ask(seat: Seat, place: Place) -> Any:
            how = vim.OvfManager.CreateImportSpecParams(
                locale="", deploymentOption="", entityName=name, diskProvisioning="thin"
            )
            return seat.content.ovfManager.CreateImportSpec(text, place.pool, place.datastore, how)

        found = self._at.call(doing, ask)
        refuse(self._at.session, doing, next(iter(found.error or ()), None))
        if found.importSpec is None:
            raise HostFailed(f"{doing}: the server has no way to import it")
        found.importSpec.configSpec.extraConfig.append(template_mark(Made(self._at.platform, sha256, whole=False)))
        return found.importSpec

    def _say_whole(self, doing: str, sha256: str) -> None:
        whole = template_mark(Made(self._at.platform, sha256, whole=True))

        def begin(seat: Seat, place: Place) -> Any:
            found = self._named(seat, place, sha256)
            if found is None:
                raise HostFailed(f"{doing}: the vm that was imported has vanished")
            return found.ref.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[whole]))

        self._at.run(doing, begin)

    def _finish(self, sha256: str) -> None:
        """Have vSphere know it for a template, which nobody can give power."""

        def mark(seat: Seat, place: Place) -> None:
            found = self._named(seat, place, sha256)
            if found is not None and not found.marked:
                found.ref.MarkAsTemplate()

        self._at.call(f"making a template of {sha256[:12]}", mark)

    def _dropped(self, template: Template) -> bool:
        with self._lock:  # who needs it from here on finds it gone, and brings it anew
            if self._used[template.made.sha256]:
                return False
            self._destroy(template)
        hit("agent.after-drop-template")
        return True

    def _destroy(self, template: Template) -> None:
        try:
            self._at.run(f"removing {template.name}", lambda _seat, _place: template.ref.Destroy_Task())
        except HostFailed as error:
            if error.extra.get("vsphere") != vmodl.fault.ManagedObjectNotFound._wsdlName:
                raise

    def _find(self, sha256: str) -> Template | None:
        return self._at.call(
            f"looking for the template of {sha256[:12]}", lambda seat, place: self._named(seat, place, sha256)
        )

    def _named(self, seat: Seat, place: Place, sha256: str) -> Template | None:
        name = self._name(sha256)
        ref = seat.content.searchIndex.FindChild(place.folder, name)
        found = retrieve(seat, of([ref], vim.VirtualMachine, _PATHS)) if isinstance(ref, vim.VirtualMachine) else []
        template = self._ours(seat, found[0]) if found else None
        if ref is not None and (template is None or template.made.sha256 != sha256):
            raise HostFailed(f"{name!r} in our folder is somebody else's")
        return template

    def _all(self, seat: Seat, place: Place) -> list[Template]:
        named = retrieve(seat, within(place.view, vim.VirtualMachine, ("name",)))
        refs = [item.ref for item in named if item.get("name", "").startswith(self._name(""))]
        found = [self._ours(seat, item) for item in retrieve(seat, of(refs, vim.VirtualMachine, _PATHS))]
        return [template for template in found if template is not None]

    def _ours(self, seat: Seat, item: Found) -> Template | None:
        made = read_template_mark(item.get("config.extraConfig", ()))
        if made is None or made.platform != self._at.platform:
            return None
        disks = [device for device in item.get("config.hardware.device", ()) if isinstance(device, _DISK_TYPE)]
        paths = [path for disk in disks[:1] for path in files_of(disk.backing)]
        # A standalone ESXi knows no templates: there it stays a vm that nobody starts.
        marked = bool(item.get("config.template")) or seat.content.about.apiType != "VirtualCenter"
        return Template(item.ref, item.get("name", ""), made, paths[0] if paths else "", marked)

    def _name(self, sha256: str) -> str:
        return f"innkeeper-{self._at.platform}-{sha256[:_SHOWN]}"


_DISK_TYPE = vim.vm.device.VirtualDisk
