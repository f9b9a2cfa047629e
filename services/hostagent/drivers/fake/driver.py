# SPDX-License-Identifier: Apache-2.0
"""The fake driver: a host of any size on any machine. It keeps the whole contract, and fails when told to."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from services.common.contracts.codec import dump
from services.common.contracts.commands import ClonePlan, DeployPlan, NicPlan, SnapshotPlan, VolumePlan
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
from services.hostagent.drivers.fake import cards, cloning, faults, screen, snapshots, volumes
from services.hostagent.drivers.fake.datastores import datastore_facts
from services.hostagent.drivers.fake.guest import FakeGuests
from services.hostagent.drivers.fake.resizing import resized, sizes_now
from services.hostagent.drivers.fake.seed import links, read_network_config
from services.hostagent.drivers.fake.state import FakeState, FakeVm, read_state, write_state
from services.hostagent.drivers.fake.survey import surveyed
from services.hostagent.drivers.fake.timers import Timers
from services.hostagent.drivers.fake.tools import FakeTools
from services.hostagent.drivers.vm_files import VmFiles

_UP = (Power.ON, Power.PAUSED)
# What of a vm outlives a new definition.
_KEPT = ("power", "started_at", "boots", "installed", "live", "snapshots")
INSTALLER = "installer"  # the role of a drive whose medium fills the vm's disk


class FakeDriver(Driver):
    """See Driver. State lies in `fake.json` in the agent's directory; nothing runs anywhere."""

    name: ClassVar[str] = "fake"
    capabilities: ClassVar[frozenset[str]] = frozenset(
        {
            Capability.NAT,
            Capability.ISOLATED,
            Capability.BRIDGE,
            Capability.DIRECT_KERNEL,
            Capability.DISK_IMAGE,
            Capability.GUEST_CHANNEL,
            Capability.CONSOLE_LOG,
            Capability.SCREENSHOT,
            Capability.ISO_OVERLAY,
            Capability.RESET,
            Capability.SUSPEND,
            Capability.NETWORK_VLAN,
            Capability.ANTI_SPOOF,
            Capability.NIC_ATTACH,
            Capability.NIC_HOT,
            Capability.VOLUME_ATTACH,
            Capability.VOLUME_HOT,
            Capability.VOLUME_GROW,
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
            Capability.CLONE_LINKED_LARGER,
        }
    )

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._files = VmFiles(settings.directory)
        self._files.prepare()
        self._path = settings.directory / "fake.json"
        self._habits = faults.read_habits(settings.fake)
        self._state = read_state(self._path)
        self._lock = threading.RLock()
        self._seen: PowerSeen = lambda _vm, _power: None
        self._guests = FakeGuests(self._habits, self._find, self._installed)
        self._timers = Timers()
        self._tools = FakeTools(self._habits, self._find, self._timers.later)

    def facts(self) -> HostFacts:
        capacity = self._settings.capacity
        return HostFacts(
            driver=self.name,
            version="1",
            vcpus=capacity.vcpus or 64,
            memory_mib=capacity.memory_mib or 262144,
            disk_gib=capacity.disk_gib or 4096,
            capabilities=tuple(sorted(self.capabilities)),
            traits=("fake",),
            accelerator="",
            hypervisor_uri="fake://",
            power_curve=self._settings.power_curve,
            datastores=tuple(datastore_facts(store) for store in self._settings.datastores),
        )

    def usage(self) -> Usage:
        running = [vm for vm in self._state.vms.values() if vm.power in _UP]
        facts = self.facts()
        return Usage(
            cpu_percent=round(min(100.0, 2.0 + 50.0 * sum(vm.vcpus for vm in running) / facts.vcpus), 1),
            memory_used_mib=sum(vm.memory_mib for vm in running),
            disk_used_gib=float(sum(vm.disk_gib for vm in self._state.vms.values()) + volumes.own_gib(self._state)),
            running_vms=len(running),
            vm_cpu_s={vm.id: 0.5 * vm.vcpus * max(0.0, time.time() - vm.started_at) for vm in running},
        )

    def inventory(self) -> list[InventoryItem]:
        with self._lock:
            mine = [vm for vm in self._state.vms.values() if vm.platform == self._settings.platform]
        items = [InventoryItem(vm.id, vm.fence, vm.power, vm.name, vm.platform) for vm in mine]
        absent = self._files.known() - {item.vm for item in items}
        return items + [InventoryItem(vm, 0, Power.ABSENT, "", self._settings.platform) for vm in sorted(absent)]

    def ensure_network(self, plan: NetworkPlan) -> None:
        text = json.dumps({key: value for key, value in dump(plan).items() if key != "name"}, sort_keys=True)
        with self._lock:
            if self._state.networks.get(plan.id) != text:
                self._write(replace(self._state, networks={**self._state.networks, plan.id: text}))

    def drop_network(self, network: str) -> None:
        with self._lock:
            left = {key: text for key, text in self._state.networks.items() if key != network}
            self._write(replace(self._state, networks=left))

    def deploy(self, plan: DeployPlan, owner: Owner, files: Mapping[str, Path]) -> None:
        _wait(self._habits.deploy_s)
        if self._habits.has(faults.DEPLOY_FAILS, plan.name):
            raise HostFailed(f"defining {plan.name}: the fake host was told to refuse")
        self._files.vm(owner.vm).mkdir(exist_ok=True)
        cloning.refuse_without_copy(plan, self._files.vm(owner.vm))
        seed = next((disk.base for disk in plan.disks if disk.role == "seed" and disk.base), None)
        network = read_network_config(files[seed.sha256]) if seed else None
        vm = FakeVm(
            id=owner.vm,
            uuid=plan.uuid,
            name=plan.name,
            platform=owner.platform,
            fence=owner.fence,
            vcpus=plan.vcpus,
            memory_mib=plan.memory_mib,
            disk_gib=sum(disk.size_gib for disk in plan.disks),
            os=plan.os,
            links=links(plan.nics, network),
            nics=plan.nics,
            installs=any(disk.role == INSTALLER for disk in plan.disks),
        )
        with self._lock:
            self._define(vm)

    def clone_disk(self, vm: str, clone: ClonePlan, copied: Copied) -> None:
        if cloning.is_copied(directory := self._files.vm(vm)):
            return
        source = self._need(clone.source)
        cloning.refuse_unless_off(source)
        if self._habits.has(faults.CLONE_FAILS, source.name):
            raise HostFailed(f"copying {source.name}: the fake host was told to refuse")
        cloning.copy(directory, source, clone, 0.0 if clone.linked else self._habits.clone_s, copied)

    def start(self, vm: str) -> None:
        found = self._need(vm)
        if found.power == Power.PAUSED:
            self._change(vm, power=Power.ON)
        if found.power in _UP:
            return
        _wait(self._habits.start_s)
        if self._habits.has(faults.START_FAILS, found.name):
            raise HostFailed(f"starting {found.name}: the fake host was told to refuse")
        hit("agent.before-start")
        self._change(vm, power=Power.ON, started_at=time.time(), boots=found.boots + 1, live=None)
        hit("agent.after-start")
        if self._habits.has(faults.CRASHES, found.name):
            self._timers.later(self._habits.boot_s / 2, lambda: self._change(vm, power=Power.CRASHED))

    def press_power(self, vm: str) -> None:
        found = self._need(vm)
        if found.power == Power.ON and not self._habits.has(faults.IGNORES_ACPI, found.name):
            self._timers.later(self._habits.stop_s, lambda: self._change(vm, power=Power.OFF))

    def force_stop(self, vm: str) -> None:
        found = self._find(vm)
        if found is not None and self._is_mine(found) and found.power != Power.OFF:
            self._change(vm, power=Power.OFF)

    def reset(self, vm: str) -> None:
        found = self._running(vm)
        self._change(vm, started_at=time.time(), boots=found.boots + 1)

    def suspend(self, vm: str) -> None:
        if self._need(vm).power != Power.PAUSED:
            self._running(vm)
            self._change(vm, power=Power.PAUSED)

    def resume(self, vm: str) -> None:
        if self._need(vm).power != Power.PAUSED:
            self._running(vm)
        self._change(vm, power=Power.ON)

    def resize(self, vm: str, sizes: Sizes) -> Sizes:
        found = self._need(vm)
        changed = resized(found, sizes, hot=not self._habits.has(faults.NO_HOTPLUG, found.name))
        hit("agent.before-resize")
        self._change(vm, vcpus=changed.vcpus, memory_mib=changed.memory_mib, live=changed.live)
        hit("agent.after-resize")
        return sizes_now(changed)

    def take_snapshot(self, vm: str, snapshot: SnapshotPlan) -> None:
        found = self._need(vm)
        hit("agent.before-snapshot")
        self._change(vm, snapshots=snapshots.taken(found, snapshot).snapshots)
        hit("agent.after-snapshot")
        if self._habits.has(faults.SNAPSHOT_BREAKS, found.name):
            raise HostFailed(f"a snapshot of {found.name}: the fake host was told to break it off")

    def revert(self, vm: str, snapshot: SnapshotPlan) -> None:
        then = snapshots.reverted(self._need(vm), snapshot, time.time())
        hit("agent.before-revert")
        self._change(vm, **{key: getattr(then, key) for key in snapshots.REVERTED})
        hit("agent.after-revert")

    def drop_snapshot(self, vm: str, snapshot: str) -> None:
        found = self._find(vm)
        if found is not None and self._is_mine(found):
            self._change(vm, snapshots=snapshots.dropped(found, snapshot).snapshots)

    def snapshots(self, vm: str) -> tuple[str, ...]:
        found = self._find(vm)
        return tuple(known.id for known in found.snapshots) if found is not None else ()

    def wipe(self, vm: str) -> None:
        self._remove(vm, lambda left: left)

    def erase(self, vm: str) -> None:
        self._remove(vm, lambda left: volumes.let_go(left, vm))

    def _remove(self, vm: str, more: Callable[[FakeState], FakeState]) -> None:
        found = self._find(vm)
        if found is not None and not self._is_mine(found):
            raise HostFailed(f"vm {vm} on this host belongs to platform {found.platform}")
        if found is not None and self._habits.has(faults.ERASE_FAILS, found.name):
            raise HostFailed(f"erasing {found.name}: the fake host was told to refuse")
        self.force_stop(vm)
        if found is not None:
            hit("agent.before-undefine")
            with self._lock:
                left = replace(self._state, vms={k: v for k, v in self._state.vms.items() if k != vm})
                self._write(more(left))
            hit("agent.after-undefine")
            self._seen(vm, Power.ABSENT)
        self._files.erase(vm)
        hit("agent.after-remove-files")

    def power(self, vm: str) -> str:
        found = self._find(vm)
        return found.power if found is not None else Power.ABSENT

    def watch(self, seen: PowerSeen, resync: Callable[[], None]) -> None:
        self._seen = seen

    def watch_tools(self, seen: ToolsSeen) -> None:
        self._tools.watch(seen, self._state.vms.values())

    def guest_channel(self, vm: str) -> socket.socket | None:
        found = self._find(vm)
        return self._guests.connect(found) if found is not None and found.power == Power.ON else None

    def evidence(self, vm: str) -> Evidence:
        found = self._find(vm)
        if found is None or not self._is_mine(found):
            return Evidence()
        console = f"fake console of {found.name}, boot {found.boots}\n{self._guests.console(vm)}"
        return Evidence(console, screen.png(found.uuid) if found.power == Power.ON else b"")

    def attach_volume(self, vm: str, volume: VolumePlan) -> None:
        hit("agent.before-attach-volume")
        self._plug(vm, lambda state: volumes.attached(state, vm, volume, self._settings.datastores))
        hit("agent.after-attach-volume")

    def detach_volume(self, vm: str, volume: str) -> None:
        hit("agent.before-detach-volume")
        with self._lock:
            self._write(volumes.detached(self._state, vm, volume))
        hit("agent.after-detach-volume")

    def grow_volume(self, vm: str, volume: VolumePlan) -> None:
        self._plug(vm, lambda state: volumes.grown(state, vm, volume, self._settings.datastores))

    def attach_nic(self, vm: str, nic: NicPlan) -> None:
        hit("agent.before-attach-nic")
        self._plug(vm, lambda state: cards.plugged(state, vm, nic))
        hit("agent.after-attach-nic")

    def detach_nic(self, vm: str, mac: str) -> None:
        hit("agent.before-detach-nic")
        with self._lock:
            self._write(cards.unplugged(self._state, vm, mac))
        hit("agent.after-detach-nic")

    def change_seed(self, vm: str, seed: Path) -> None:
        network = read_network_config(seed)
        self._plug(vm, lambda state: cards.told(state, vm, network))

    def drop_volume(self, volume: str, datastore: str = "") -> None:
        with self._lock:
            self._write(volumes.dropped(self._state, volume, datastore, self._settings.datastores))
        hit("agent.after-drop-volume")

    def _plug(self, vm: str, change: Callable[[FakeState], FakeState]) -> None:
        with self._lock:
            found = self._need(vm)
            if self._habits.has(faults.PLUG_FAILS, found.name):
                raise HostFailed(f"changing {found.name}: the fake host was told to refuse")
            self._write(change(self._state))

    def survey(self) -> list[Found]:
        return surveyed(read_state(self._path), self._settings.platform, self._files)

    def close(self) -> None:
        self._timers.close()
        self._guests.close()

    def _installed(self, vm: str) -> None:
        """Its disk holds a system from now on, whatever restarts."""
        self._change(vm, installed=True)

    def _define(self, vm: FakeVm) -> None:
        existing = self._state.vms.get(vm.id)
        if existing is not None:
            if not self._is_mine(existing):
                raise HostFailed(f"the UUID {vm.uuid} on this host belongs to platform {existing.platform}")
            kept = {key: getattr(existing, key) for key in _KEPT}
            vm = replace(vm, **kept)
        if any(other.name == vm.name and other.id != vm.id for other in self._state.vms.values()):
            raise HostFailed(f"defining {vm.name}: another vm on this host has that name")
        hit("agent.before-define")
        self._write(replace(self._state, vms={**self._state.vms, vm.id: vm}))
        hit("agent.after-define")

    def _find(self, vm: str) -> FakeVm | None:
        return self._state.vms.get(vm)

    def _need(self, vm: str) -> FakeVm:
        found = self._find(vm)
        if found is None or not self._is_mine(found):
            raise HostFailed(f"vm {vm} is not on this host", extra={"power": "absent"})
        return found

    def _running(self, vm: str) -> FakeVm:
        found = self._need(vm)
        if found.power != Power.ON:
            raise HostFailed(f"{found.name} is not running: it is {found.power}")
        return found

    def _is_mine(self, vm: FakeVm) -> bool:
        return vm.platform == self._settings.platform

    def _change(self, vm: str, **fields: Any) -> None:
        with self._lock:
            found = self._find(vm)
            if found is None:
                return
            changed = replace(found, **fields)
            self._write(replace(self._state, vms={**self._state.vms, vm: changed}))
        if changed.power != found.power:
            self._seen(vm, changed.power)
        if (changed.power, changed.boots) != (found.power, found.boots):
            self._tools.changed(changed)

    def _write(self, state: FakeState) -> None:
        write_state(self._path, state)
        self._state = state


def _wait(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)
