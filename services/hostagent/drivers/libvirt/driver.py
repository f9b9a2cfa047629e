# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver: QEMU with KVM or TCG, files in the agent's directory, UUIDs derived from our ids."""

import shutil
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import libvirt

from services.common.contracts.commands import ClonePlan, DeployPlan, NicPlan, SnapshotPlan, VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.events import HostFacts, InventoryItem
from services.common.contracts.network import NetworkPlan
from services.common.contracts.sizes import Sizes
from services.common.contracts.survey import Found, FoundKind
from services.common.contracts.vm import hypervisor_uuid
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
    Usage,
)
from services.hostagent.drivers.libvirt import cards, cloning, pausing, resizing, snapshots
from services.hostagent.drivers.libvirt.accelerator import choose_accelerator
from services.hostagent.drivers.libvirt.connection import Connection
from services.hostagent.drivers.libvirt.domain_xml import domain_xml
from services.hostagent.drivers.libvirt.domains import Domains
from services.hostagent.drivers.libvirt.lifecycle import Lifecycle, power_of
from services.hostagent.drivers.libvirt.networks import Networks
from services.hostagent.drivers.libvirt.offered import offered
from services.hostagent.drivers.libvirt.plugged_volumes import PluggedVolumes
from services.hostagent.drivers.libvirt.pools import Pools
from services.hostagent.drivers.libvirt.screen import console_tail, screenshot
from services.hostagent.drivers.libvirt.survey import surveyed
from services.hostagent.drivers.libvirt.vendor_errors import code, translated
from services.hostagent.drivers.libvirt.volumes import make_files
from services.hostagent.drivers.machine import Machine
from services.hostagent.drivers.vm_files import VmFiles

_WIDTH = 4  # libvirtd starts no more vms a second with more callers
_GONE = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
_ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
_GONE |= libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA


class LibvirtDriver(Driver):
    """See Driver. At most four calls that start, stop or define are at libvirtd at any time."""

    name: ClassVar[str] = "libvirt"
    capabilities: ClassVar[frozenset[str]] = frozenset(
        {
            Capability.NAT,
            Capability.ISOLATED,
            Capability.BRIDGE,
            Capability.DIRECT_KERNEL,
            Capability.DISK_IMAGE,
            Capability.UEFI,
            Capability.GUEST_CHANNEL,
            Capability.CONSOLE_LOG,
            Capability.SCREENSHOT,
            Capability.ISO_OVERLAY,
            Capability.RESET,
            Capability.SUSPEND,
            Capability.NIC_ATTACH,
            Capability.NIC_HOT,
            Capability.VOLUME_ATTACH,
            Capability.VOLUME_HOT,
            Capability.VOLUME_GROW,
            Capability.RESIZE_OFF,
            Capability.RESIZE_HOT_CPU,
            Capability.SNAPSHOT,
            Capability.SNAPSHOT_MEMORY,
            Capability.REBUILD,
            Capability.CLONE_FULL,
            Capability.CLONE_LINKED,
            Capability.CLONE_LINKED_LARGER,
        }
    )

    by_host: ClassVar[frozenset[str]] = frozenset(
        {Capability.TPM, Capability.SECURE_BOOT, Capability.ANTI_SPOOF, Capability.NETWORK_VLAN}
    )

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._files = VmFiles(settings.directory)
        self._files.prepare()
        self._machine = Machine(self._files)
        self._networks = Networks(settings.platform)
        self._domains = Domains(settings.platform)
        self._pools = Pools(settings.datastores, settings.platform)
        self._volumes = PluggedVolumes(self._files, self._domains, self._pools)
        self._seen: PowerSeen = _nobody
        self._resync: Callable[[], None] = _nothing
        self._turn = threading.BoundedSemaphore(_WIDTH)
        self._lifecycle = Lifecycle(self._on_power, self._networks.forget)
        self._connection = Connection(settings.uri, self._on_connected)
        conn = self._connection.get()
        with translated("asking libvirt what this host can do"):
            self._accelerator = choose_accelerator(conn, settings.accelerator)
            self._offered = offered(conn, self._accelerator)
            self._pools.facts(conn)  # found now or refused now, with the names there are

    def facts(self) -> HostFacts:
        conn, capacity = self._connection.get(), self._settings.capacity
        with translated("asking libvirt for the host"):
            node, version = conn.getInfo(), conn.getLibVersion()
            datastores = self._pools.facts_now(conn)
        return HostFacts(
            driver=self.name,
            version=f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}",
            vcpus=capacity.vcpus or node[2],
            memory_mib=capacity.memory_mib or self._machine.memory_mib(),
            disk_gib=capacity.disk_gib or shutil.disk_usage(self._files.root).total >> 30,
            capabilities=tuple(sorted(self.capabilities | self._offered)),
            traits=(node[0], self._accelerator),
            accelerator=self._accelerator,
            hypervisor_uri=self._settings.uri,
            power_curve=self._settings.power_curve,
            datastores=datastores,
        )

    def usage(self) -> Usage:
        conn = self._connection.get()
        with translated("reading the vms' CPU time"):
            stats = conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_CPU_TOTAL, _ACTIVE)
            owners = [(self._domains.owner(domain), told) for domain, told in stats]
        mine = {o.vm: told["cpu.time"] / 1e9 for o, told in owners if o is not None and "cpu.time" in told}
        return self._machine.usage(len(stats), mine)

    def inventory(self) -> list[InventoryItem]:
        conn = self._connection.get()
        with translated("listing vms"):
            stats = conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
            items = [item for domain, state in stats if (item := self._item(domain, state)) is not None]
        absent = self._files.known() - {item.vm for item in items}
        return items + [InventoryItem(vm, 0, Power.ABSENT, "", self._settings.platform) for vm in sorted(absent)]

    def ensure_network(self, plan: NetworkPlan) -> None:
        with self._turn:
            self._networks.ensure(self._connection.get(), plan)

    def drop_network(self, network: str) -> None:
        with self._turn:
            self._networks.drop(self._connection.get(), network)

    def deploy(self, plan: DeployPlan, owner: Owner, files: Mapping[str, Path]) -> None:
        made = make_files(plan, self._files.vm(owner.vm), self._files.port(owner.vm), files)
        xml = domain_xml(plan, owner, made, self._accelerator)
        conn = self._connection.get()
        with self._turn, translated(f"defining {plan.name}"):
            existing = self._domains.find(conn, owner.vm)
            if existing is not None and existing.isActive():
                self._domains.remark(existing, owner)
                return
            hit("agent.before-define")
            defined = conn.defineXML(xml)
            hit("agent.after-define")
            self._volumes.attach_again(conn, defined, owner.vm)
            self._domains.learn(owner)

    def clone_disk(self, vm: str, clone: ClonePlan, copied: Copied) -> None:
        directory = self._files.vm(vm)
        if (directory / cloning.FIRST).exists():
            return
        with translated(f"copying the disk of vm {clone.source}"):
            domain = self._domains.need(self._connection.get(), clone.source)
            source = cloning.source_disk(domain, self._files.vm(clone.source))
        if clone.linked:
            cloning.link_disk(source, directory, clone)
        else:
            cloning.copy_disk(source, directory, clone, copied)

    def start(self, vm: str) -> None:
        conn = self._connection.get()
        with self._turn, translated(f"starting vm {vm}"):
            domain = self._domains.need(conn, vm)
            hit("agent.before-start")
            try:
                domain.create()
            except libvirt.libvirtError as error:
                if code(error) == libvirt.VIR_ERR_OPERATION_INVALID and domain.isActive():
                    pausing.resume(domain)
                    return
                self._networks.forget()  # perhaps one of its networks has gone
                raise
            hit("agent.after-start")

    def press_power(self, vm: str) -> None:
        with translated(f"pressing the power button of vm {vm}"):
            domain = self._domains.need(self._connection.get(), vm)
            try:
                domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            except libvirt.libvirtError as error:
                if code(error) != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
                    raise

    def force_stop(self, vm: str) -> None:
        conn = self._connection.get()
        with self._turn, translated(f"stopping vm {vm}"):
            domain = self._domains.find(conn, vm)
            if domain is not None:
                hit("agent.before-destroy")
                _destroy(domain)
                hit("agent.after-destroy")

    def reset(self, vm: str) -> None:
        with self._turn, translated(f"resetting vm {vm}"):
            self._domains.need(self._connection.get(), vm).reset(0)

    def suspend(self, vm: str) -> None:
        with self._turn, translated(f"suspending vm {vm}"):
            pausing.suspend(self._domains.need(self._connection.get(), vm))

    def resume(self, vm: str) -> None:
        with self._turn, translated(f"resuming vm {vm}"):
            pausing.resume(self._domains.need(self._connection.get(), vm))

    def why_paused(self, vm: str) -> str:
        with translated(f"looking why vm {vm} stands still"):
            domain = self._domains.find(self._connection.get(), vm)
            return pausing.why_paused(domain) if domain is not None else ""

    def resize(self, vm: str, sizes: Sizes) -> Sizes:
        conn = self._connection.get()
        with self._turn, translated(f"resizing vm {vm}"):
            return resizing.resize(conn, self._domains.need(conn, vm), sizes)

    def take_snapshot(self, vm: str, snapshot: SnapshotPlan) -> None:
        with self._turn, translated(f"taking a snapshot of vm {vm}"):
            domain = self._domains.need(self._connection.get(), vm)
            hit("agent.before-snapshot")
            snapshots.take(domain, snapshot)
            hit("agent.after-snapshot")

    def revert(self, vm: str, snapshot: SnapshotPlan) -> None:
        with self._turn, translated(f"reverting vm {vm}"):
            hit("agent.before-revert")
            snapshots.revert(self._domains.need(self._connection.get(), vm), snapshot)
            hit("agent.after-revert")

    def drop_snapshot(self, vm: str, snapshot: str) -> None:
        with self._turn, translated(f"removing a snapshot of vm {vm}"):
            domain = self._domains.find(self._connection.get(), vm)
            if domain is not None:
                snapshots.drop(domain, snapshot)

    def snapshots(self, vm: str) -> tuple[str, ...]:
        with translated(f"listing the snapshots of vm {vm}"):
            domain = self._domains.find(self._connection.get(), vm)
            return tuple(domain.snapshotListNames()) if domain is not None else ()

    def wipe(self, vm: str) -> None:
        self.erase(vm)  # whose a volume is stands beside it, not in the definition

    def erase(self, vm: str) -> None:
        self.force_stop(vm)
        conn = self._connection.get()
        with self._turn, translated(f"erasing vm {vm}"):
            domain = self._domains.find(conn, vm)
            if domain is not None:
                hit("agent.before-undefine")
                _undefine(domain)
                hit("agent.after-undefine")
            self._domains.forget(vm)
        try:
            self._files.erase(vm)
        except OSError as error:
            raise HostFailed(f"the files of vm {vm} can't be removed: {error}") from error
        hit("agent.after-remove-files")

    def power(self, vm: str) -> str:
        with translated(f"looking at vm {vm}"):
            domain = self._domains.find(self._connection.get(), vm)
            if domain is None:
                return Power.ABSENT
            state, reason = domain.state()
            return power_of(state, reason)

    def watch(self, seen: PowerSeen, resync: Callable[[], None]) -> None:
        self._seen, self._resync = seen, resync

    def guest_channel(self, vm: str) -> socket.socket | None:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.setblocking(False)
        try:
            stream.connect(str(self._files.port(vm)))
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            stream.close()
            return None
        except OSError as error:
            stream.close()
            raise HostFailed(f"the guest port of vm {vm} can't be opened: {error}") from error
        return stream

    def evidence(self, vm: str) -> Evidence:
        console = console_tail(self._files.vm(vm) / "console.log")
        conn = self._connection.get()
        with translated(f"looking at the screen of vm {vm}"):
            domain = self._domains.find(conn, vm)
            return Evidence(console, screenshot(conn, domain) if domain is not None else b"")

    def attach_volume(self, vm: str, volume: VolumePlan) -> None:
        conn = self._connection.get()
        with self._turn, translated(f"plugging volume {volume.id} into vm {vm}"):
            self._volumes.attach(conn, vm, volume)

    def detach_volume(self, vm: str, volume: str) -> None:
        with translated(f"taking volume {volume} off vm {vm}"):
            self._volumes.detach(self._connection.get(), vm, volume)

    def grow_volume(self, vm: str, volume: VolumePlan) -> None:
        conn = self._connection.get()
        with self._turn, translated(f"making volume {volume.id} of vm {vm} larger"):
            self._volumes.grow(conn, vm, volume)

    def attach_nic(self, vm: str, nic: NicPlan) -> None:
        conn = self._connection.get()
        with self._turn, translated(f"plugging card {nic.mac} into vm {vm}"):
            cards.attach_nic(self._domains, conn, vm, nic)

    def detach_nic(self, vm: str, mac: str) -> None:
        with translated(f"taking card {mac} out of vm {vm}"):
            cards.detach_nic(self._domains, self._connection.get(), vm, mac)

    def change_seed(self, vm: str, seed: Path) -> None:
        conn = self._connection.get()
        with self._turn, translated(f"changing the seed of vm {vm}"):
            cards.change_seed(self._domains, conn, vm, seed)

    def drop_volume(self, volume: str, datastore: str = "") -> None:
        with translated(f"removing volume {volume}"):
            self._volumes.drop(self._connection.get(), volume, datastore)

    def survey(self) -> list[Found]:
        conn = self._connection.get()
        with translated("reading all that is here"):
            ours = [Found(FoundKind.VOLUME, name, self._files.holder(id_), id_) for name, id_ in self._pools.ours(conn)]
            return [*surveyed(conn, self._settings.platform, self._files), *ours]

    def close(self) -> None:
        self._lifecycle.close()
        self._connection.close()

    def _item(self, domain: libvirt.virDomain, state: Mapping[str, int]) -> InventoryItem | None:
        owner = self._domains.owner(domain)
        if owner is None:
            return None
        power = power_of(state.get("state.state", -1), state.get("state.reason", -1))
        return InventoryItem(owner.vm, owner.fence, power, domain.name(), owner.platform)

    def _on_connected(self, conn: libvirt.virConnect) -> None:
        self._networks.forget()
        self._lifecycle.register(conn)
        # Not on this thread: whoever opened the connection holds its lock.
        threading.Thread(target=self._resync, name="libvirt-resync", daemon=True).start()

    def _on_power(self, uuid: str, power: str) -> None:
        vm = self._domains.vm_of(uuid)
        if vm is None:
            vm = next((v for v in self._files.known() if hypervisor_uuid(v) == uuid), None)
        if vm is not None:
            self._seen(vm, power)


def _nobody(_vm: str, _power: str) -> None:
    """Until somebody watches."""


def _nothing() -> None:
    """Until somebody watches."""


def _destroy(domain: libvirt.virDomain) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if code(error) not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def _undefine(domain: libvirt.virDomain) -> None:
    try:
        domain.undefineFlags(_GONE)
    except libvirt.libvirtError as error:
        if code(error) != libvirt.VIR_ERR_NO_DOMAIN:
            raise
