# SPDX-License-Identifier: Apache-2.0
"""The vSphere driver: UUIDs derived from our ids, images streamed to the datastore, changes told by the server."""

import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ClassVar

from services.common.contracts.commands import Artifact, ClonePlan, DeployPlan, NicPlan, SnapshotPlan, VolumePlan
from services.common.contracts.datastores import Datastore
from services.common.contracts.errors import HostFailed
from services.common.contracts.events import HostFacts, InventoryItem
from services.common.contracts.network import NetworkPlan
from services.common.contracts.sizes import Sizes
from services.common.contracts.survey import Found
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import (
    Capability,
    Copied,
    Driver,
    DriverSettings,
    Evidence,
    Owner,
    Power,
    PowerSeen,
    ToolsSeen,
    Usage,
)
from services.hostagent.drivers.survey_files import files_found
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.drivers.vsphere import (
    cloning,
    host_facts,
    linking,
    plugged_nics,
    powering,
    questions,
    resizing,
    snapshots,
)
from services.hostagent.drivers.vsphere.hypervisor import hypervisor
from services.hostagent.drivers.vsphere.machines import Listed
from services.hostagent.drivers.vsphere.making import Origins, make
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.plugged_volumes import PluggedVolumes
from services.hostagent.drivers.vsphere.screen import screenshot
from services.hostagent.drivers.vsphere.seed_drive import change_seed
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.settings import read_settings
from services.hostagent.drivers.vsphere.survey import surveyed
from services.hostagent.drivers.vsphere.templates import Templates
from services.hostagent.drivers.vsphere.vmdk import can_convert
from services.hostagent.drivers.vsphere.watch import Watch


class VsphereDriver(Driver):
    """See Driver. Guests have no port to us here: they report by the network, and VMware Tools tell the rest."""

    name: ClassVar[str] = "vsphere"
    capabilities: ClassVar[frozenset[str]] = frozenset(
        {
            Capability.BRIDGE,
            Capability.UEFI,
            Capability.SECURE_BOOT,
            Capability.SCREENSHOT,
            Capability.ISO_OVERLAY,
            Capability.RESET,
            Capability.SUSPEND,
            Capability.VOLUME_ATTACH,
            Capability.VOLUME_HOT,
            Capability.VOLUME_GROW,
            Capability.NIC_ATTACH,
            Capability.NIC_HOT,
            Capability.RESIZE_OFF,
            Capability.RESIZE_HOT_CPU,
            Capability.RESIZE_HOT_MEMORY,
            Capability.SNAPSHOT,
            Capability.SNAPSHOT_MEMORY,
            Capability.SNAPSHOT_LIVE_DISKS,
            Capability.SNAPSHOT_UEFI,
            Capability.REBUILD,
            Capability.CLONE_FULL,
            Capability.CLONE_LINKED,
        }
    )

    by_host: ClassVar[frozenset[str]] = frozenset({Capability.DISK_IMAGE})  # where the agent's machine has qemu-img

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._files = VmFiles(settings.directory)
        self._files.prepare()
        own = read_settings(settings.vsphere)
        self._url = own.url
        self.at = hypervisor(own, settings.platform, settings.datastores)
        self._volumes = PluggedVolumes(self.at, self._files)
        self._templates = Templates(self.at, self._files)
        self._watch = Watch(self.at.session, self.at.places, self.at.machines, self.power)
        self.at.place()  # found now or refused now, with the names there are

    def facts(self) -> HostFacts:
        capacity = self._settings.capacity
        version = self.at.session.call("asking vSphere for its version", lambda seat: seat.content.about.version)
        sizes = self.at.call("asking vSphere for its hosts", host_facts.sizes)
        offered = self.by_host if can_convert() else frozenset()
        return HostFacts(
            driver=self.name,
            version=version,
            vcpus=capacity.vcpus or sizes.vcpus,
            memory_mib=capacity.memory_mib or sizes.memory_mib,
            disk_gib=capacity.disk_gib or sizes.disk_gib,
            capabilities=tuple(sorted(self.capabilities | offered)),
            traits=("x86_64", "vsphere"),
            accelerator="",
            hypervisor_uri=self._url,
            power_curve=self._settings.power_curve,
            datastores=self.at.call("asking vSphere for its datastores", self._stores),
        )

    def _stores(self, seat: Seat, place: Place) -> tuple[Datastore, ...]:
        return host_facts.datastores(seat, place, self._settings.datastores)

    def usage(self) -> Usage:
        return self.at.call("asking vSphere how busy it is", host_facts.usage)

    def inventory(self) -> list[InventoryItem]:
        machines = self.at.call("listing vms", lambda seat, place: self.at.machines.all(self.at.session, seat, place))
        items = [self._item(machine) for machine in machines]
        unlisted = sorted(self._files.known() - {item.vm for item in items})
        if not unlisted:
            return items
        # One that was moved out of our folder is still there: its files here tell us to ask for it by its UUID.
        moved = self.at.call("looking for vms", lambda seat, place: self.at.machines.some(seat, place, unlisted))
        items += [self._item(machine) for machine in moved]
        absent = [vm for vm in unlisted if vm not in {machine.owner.vm for machine in moved}]
        return items + [InventoryItem(vm, 0, Power.ABSENT, "", self._settings.platform) for vm in absent]

    def ensure_network(self, plan: NetworkPlan) -> None:
        self.at.call(
            f"looking for network {plan.name}", lambda seat, place: self.at.networks.backing(seat, place, plan)
        )

    def drop_network(self, network: str) -> None:
        """Port groups are the administrator's: none was made."""

    def bring_image(self, vm: str, base: Artifact, master: Path, copied: Copied) -> None:
        if self.at.find(vm) is None and not cloning.is_copied(self.at, vm):
            with self._templates.disk_of(base, master, copied):
                return

    def deploy(self, plan: DeployPlan, owner: Owner, files: Mapping[str, Path]) -> None:
        self._files.vm(owner.vm).mkdir(mode=0o711, exist_ok=True)  # from here on the vm is in our inventory
        directory = self._files.vm(owner.vm)
        make(self.at, Origins(self._templates, linking.source_noted(directory)), plan, owner, files)
        linking.forget(directory)
        self._volumes.attach_again(owner.vm)

    def clone_disk(self, vm: str, clone: ClonePlan, copied: Copied) -> None:
        if clone.linked:
            linking.link(self.at, self._files.vm(vm), clone, self.name)
            return
        source = cloning.source_disk(self.at, vm, clone)
        if source:
            self._files.vm(vm).mkdir(mode=0o711, exist_ok=True)  # from here on the vm is in our inventory
            copied(0.0)
            cloning.copy_disk(self.at, vm, source)

    def start(self, vm: str) -> None:
        powering.start(self.at, vm)

    def press_power(self, vm: str) -> None:
        powering.press(self.at, vm)

    def force_stop(self, vm: str) -> None:
        powering.force_stop(self.at, vm)

    def reset(self, vm: str) -> None:
        powering.reset(self.at, vm)

    def suspend(self, vm: str) -> None:
        powering.suspend(self.at, vm)

    def resume(self, vm: str) -> None:
        powering.resume(self.at, vm)

    def erase(self, vm: str) -> None:
        self._files.vm(vm)  # an id that is none is refused before anything is touched
        self.force_stop(vm)
        self._volumes.detach_all(vm)
        linking.let_go(self.at, vm)
        powering.erase(self.at, vm)
        try:
            self._files.erase(vm)
        except OSError as error:
            raise HostFailed(f"the files of vm {vm} can't be removed: {error}") from error
        hit("agent.after-remove-files")

    def power(self, vm: str) -> str:
        machine = self.at.find(vm)
        return machine.power if machine is not None else Power.ABSENT

    def why_paused(self, vm: str) -> str:
        machine = self.at.find(vm)
        return questions.why(machine.question) if machine is not None and machine.question is not None else ""

    def watch(self, seen: PowerSeen, resync: Callable[[], None]) -> None:
        self._watch.start(seen, resync)

    def watch_tools(self, seen: ToolsSeen) -> None:
        self._watch.tools_seen = seen

    def guest_channel(self, vm: str) -> socket.socket | None:
        return None

    def evidence(self, vm: str) -> Evidence:
        machine = self.at.find(vm)
        if machine is None or machine.power != Power.ON:
            return Evidence()
        return Evidence("", screenshot(self.at.session, self.at.datastore, self.at.place(), machine.ref))

    def attach_nic(self, vm: str, nic: NicPlan) -> None:
        plugged_nics.attach(self.at, vm, nic)

    def detach_nic(self, vm: str, mac: str) -> None:
        plugged_nics.detach(self.at, vm, mac)

    def change_seed(self, vm: str, seed: Path) -> None:
        change_seed(self.at, vm, seed)

    def resize(self, vm: str, sizes: Sizes) -> Sizes:
        return resizing.resize(self.at, vm, sizes)

    def take_snapshot(self, vm: str, snapshot: SnapshotPlan) -> None:
        snapshots.take(self.at, vm, snapshot)

    def revert(self, vm: str, snapshot: SnapshotPlan) -> None:
        snapshots.revert(self.at, vm, snapshot)

    def drop_snapshot(self, vm: str, snapshot: str) -> None:
        snapshots.drop(self.at, vm, snapshot)

    def snapshots(self, vm: str) -> tuple[str, ...]:
        return snapshots.names(self.at, vm)

    def wipe(self, vm: str) -> None:
        self.erase(vm)  # whose a volume is stands in the agent's directory, not in the vm

    def survey(self) -> list[Found]:
        own = self._templates.unowned(self._files.kept_masters())
        return [*surveyed(self.at), *own, *files_found(self._files, (), ())]

    def keep_masters(self, masters: Collection[str]) -> list[str]:
        return self._templates.keep(masters)

    def attach_volume(self, vm: str, volume: VolumePlan) -> None:
        self._volumes.attach(vm, volume)

    def detach_volume(self, vm: str, volume: str) -> None:
        self._volumes.detach(vm, volume)

    def grow_volume(self, vm: str, volume: VolumePlan) -> None:
        self._volumes.grow(vm, volume)

    def drop_volume(self, volume: str, datastore: str = "") -> None:
        self._volumes.drop(volume, datastore)

    def close(self) -> None:
        self._watch.stop()
        self.at.session.close()

    def _item(self, machine: Listed) -> InventoryItem:
        owner = machine.owner
        return InventoryItem(owner.vm, owner.fence, machine.power, machine.name, owner.platform)
