# SPDX-License-Identifier: Apache-2.0
"""The driver contract: what an adapter to one kind of hypervisor promises. Values in and out are ours.

Every method may be called from any thread, for different vms at the same time; for one vm the caller makes one
call at a time. Every method may be repeated, after a crash in the middle too: it meets its own half-done work and
finishes it. Raises HostFailed (with the vendor's own words) when the hypervisor refuses for good, TryAgain when
it can't be reached right now; nothing else. A vm without our owner mark is never touched and never listed.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from services.common.contracts.abilities import Ability
from services.common.contracts.commands import Artifact, ClonePlan, DeployPlan, NicPlan, SnapshotPlan, VolumePlan
from services.common.contracts.devices import (
    DIRECT_KERNEL,
    DISK_IMAGE,
    GUEST_CHANNEL,
    SECURE_BOOT_CAPABILITY,
    TPM_CAPABILITY,
)
from services.common.contracts.errors import HostFailed
from services.common.contracts.events import HostFacts, InventoryItem
from services.common.contracts.network import NetworkPlan
from services.common.contracts.sizes import Sizes
from services.common.contracts.survey import Found
from services.common.contracts.tools import ToolsFacts
from services.hostagent.drivers.datastore_settings import Store


class Power:
    """How a vm is, as every driver says it."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    CRASHED = "crashed"
    ABSENT = "absent"  # not on the hypervisor; files may be left


class Capability(Ability):
    """What not every driver can do; a driver declares its own in `capabilities`."""

    NAT = "network-nat"
    ISOLATED = "network-isolated"
    BRIDGE = "network-bridge"
    DIRECT_KERNEL = DIRECT_KERNEL
    DISK_IMAGE = DISK_IMAGE  # a disk may begin as an image: an overlay, or a copy
    UEFI = "uefi"
    TPM = TPM_CAPABILITY  # a TPM 2.0 of the vm's own
    SECURE_BOOT = SECURE_BOOT_CAPABILITY
    GUEST_CHANNEL = GUEST_CHANNEL
    CONSOLE_LOG = "console-log"
    SCREENSHOT = "screenshot"
    ISO_OVERLAY = "iso-overlay"  # a drive may hold an overlay of an installation medium


@dataclass(frozen=True)
class Capacity:
    """What a host has. 0: as the hypervisor sees it."""

    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0


@dataclass(frozen=True)
class DriverSettings:
    """What a driver is made of. `directory` is the agent's own: masters/, vms/<id>/, volumes/, ports/."""

    directory: Path
    platform: str
    uri: str = ""
    accelerator: str = "auto"  # auto | kvm | tcg
    capacity: Capacity = Capacity()
    power_curve: tuple[float, ...] = ()
    fake: Mapping[str, object] = field(default_factory=dict)
    vsphere: Mapping[str, object] = field(default_factory=dict)
    datastores: tuple[Store, ...] = ()  # beside the one of `directory`


@dataclass(frozen=True)
class Owner:
    """Whose a vm is: the mark every driver leaves on the hypervisor."""

    platform: str
    vm: str
    fence: int


@dataclass(frozen=True)
class Usage:
    """How busy the host is. Percentages 0..100."""

    cpu_percent: float
    memory_used_mib: int
    disk_used_gib: float
    running_vms: int
    vm_cpu_s: Mapping[str, float] = field(default_factory=dict)  # CPU time of each running vm of ours since its start


@dataclass(frozen=True)
class Evidence:
    """What can be seen of a vm from outside: the serial console's tail, and a PNG where there is a screen."""

    console: str = ""
    screenshot: bytes = b""


PowerSeen = Callable[[str, str], None]  # vm, power
ToolsSeen = Callable[[str, ToolsFacts], None]  # vm, what the hypervisor's own program in its guest says
Copied = Callable[[float], None]  # percent; may raise TryAgain, which ends the copy


def unsupported(driver: str, verb: str) -> HostFailed:
    """What a method raises for an ability that its driver doesn't declare; the api asks for none of those."""
    return HostFailed(f"the driver {driver} can't {verb}", extra={"unsupported": verb})


class Driver(ABC):
    """One hypervisor on one host."""

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]
    by_host: ClassVar[frozenset[str]] = frozenset()  # what only some of its hosts can do besides; facts() says which

    @abstractmethod
    def facts(self) -> HostFacts:
        """What the host is and can do; capacity is real cores and memory, overcommit is the policy's matter."""

    @abstractmethod
    def usage(self) -> Usage:
        """How busy the host is since the last call (the first one: since boot).

        `vm_cpu_s` has every running vm of ours, or nothing where the hypervisor doesn't tell.
        """

    @abstractmethod
    def inventory(self) -> list[InventoryItem]:
        """Every vm that carries our owner mark, and every vm's directory that has no vm (power "absent")."""

    @abstractmethod
    def ensure_network(self, plan: NetworkPlan) -> None:
        """Make the network exist and run. One with the same definition is left alone; a foreign one is refused."""

    @abstractmethod
    def drop_network(self, network: str) -> None:
        """Remove a network that it has made, by its id. What isn't there, or is foreign, is left alone.

        HostFailed while a vm is plugged into it.
        """

    def bring_image(self, vm: str, base: Artifact, master: Path, copied: Copied) -> None:
        """Bring to the hypervisor what the disk of a vm begins as that is deployed next: it may take long.

        `copied` hears how far it is. Most need no such thing: they read a master where it lies with the agent.
        """
        return

    @abstractmethod
    def deploy(self, plan: DeployPlan, owner: Owner, files: Mapping[str, Path]) -> None:
        """Make volumes and definition, not running. `files` maps the sha256 of each artifact to its local path.

        A volume that exists keeps its content; a vm that exists takes the owner's fence and stays as it is when it
        runs. HostFailed when a name or UUID belongs to somebody else.
        """

    def clone_disk(self, vm: str, clone: ClonePlan, copied: Copied) -> None:
        """Give a vm that is still to be deployed its first disk: a copy of another vm's, which stays as it is.

        A linked one reads the other's disk for all that it has not written itself: as long as it is there, the caller
        keeps the source off and on this host.

        One that is there already is left alone, half of one is begun anew. HostFailed where the source isn't there, or
        isn't off; the caller keeps it off meanwhile.
        """
        raise unsupported(self.name, "clone")

    @abstractmethod
    def start(self, vm: str) -> None:
        """Power on; returns when it runs. One that runs is left alone, one that stands still goes on.

        HostFailed when it isn't there.
        """

    @abstractmethod
    def press_power(self, vm: str) -> None:
        """Press the power button once (ACPI). The guest may miss or ignore it: the caller presses again."""

    @abstractmethod
    def force_stop(self, vm: str) -> None:
        """Pull the plug; returns when it is off. One that is off, or was never there, is fine."""

    def reset(self, vm: str) -> None:
        """Press the reset button: the guest begins anew without being asked. HostFailed where it doesn't run."""
        raise unsupported(self.name, "reset")

    def suspend(self, vm: str) -> None:
        """Let a running vm stand still, its memory kept; one that does is left alone. HostFailed where it is off."""
        raise unsupported(self.name, "suspend")

    def resume(self, vm: str) -> None:
        """Let it go on where it stood still; one that runs is left alone. HostFailed where it is off."""
        raise unsupported(self.name, "resume")

    def resize(self, vm: str, sizes: Sizes) -> Sizes:
        """Give it these sizes: at once where it is off or takes them while it runs, else from its next start on.

        What it has now. HostFailed when it isn't there.
        """
        raise unsupported(self.name, "resize")

    def take_snapshot(self, vm: str, snapshot: SnapshotPlan) -> None:
        """Keep what it is now, disks and, where the plan says so, memory; it goes on as it was.

        One that is there already is left as it is. HostFailed where it runs and that isn't to be kept, or the other
        way round, unless the driver can do that, too.
        """
        raise unsupported(self.name, "take snapshots")

    def revert(self, vm: str, snapshot: SnapshotPlan) -> None:
        """Make it what it was: running where its memory was kept, else off. HostFailed where it has no such snapshot.

        Each call does it again. Its definition is the one of then, sizes included.
        """
        raise unsupported(self.name, "revert to snapshots")

    def drop_snapshot(self, vm: str, snapshot: str) -> None:
        """Keep it no longer; those taken after it stay. One that was never there, or whose vm isn't, is fine."""
        raise unsupported(self.name, "remove snapshots")

    def snapshots(self, vm: str) -> tuple[str, ...]:
        """The ids of those it has, half-made ones included; none of a vm that isn't there."""
        return ()

    def wipe(self, vm: str) -> None:
        """Remove vm and the disks made with it, to make it anew; volumes stay its own. HostFailed for what isn't ours.

        What was never there is fine.
        """
        raise unsupported(self.name, "rebuild")

    @abstractmethod
    def erase(self, vm: str) -> None:
        """Remove vm, volumes, directory. What was never there is fine. HostFailed for what isn't ours."""

    @abstractmethod
    def power(self, vm: str) -> str:
        """How the vm is now: a Power."""

    def why_paused(self, vm: str) -> str:
        """Why a vm stands still that nobody suspended, for people; "" where somebody did, or where nothing is told."""
        return ""

    @abstractmethod
    def watch(self, seen: PowerSeen, resync: Callable[[], None]) -> None:
        """Call `seen` at every power change of our vms, `resync` when changes may have been missed. Once a driver."""

    def watch_tools(self, seen: ToolsSeen) -> None:  # noqa: B027  (few hypervisors have such a program)
        """Call `seen` whenever the hypervisor's own program in a guest says something else. Once, before `watch`."""

    @abstractmethod
    def guest_channel(self, vm: str) -> socket.socket | None:
        """A connected, non-blocking stream to the guest's port, or None while there is nobody to connect to."""

    @abstractmethod
    def evidence(self, vm: str) -> Evidence:
        """What can be seen of the vm now; empty parts where nothing can. May come beside any other call for the vm."""

    def attach_volume(self, vm: str, volume: VolumePlan) -> None:
        """Plug a volume into a vm, running or not, for good; it is made (empty) where it isn't there yet.

        One that is plugged in is left alone. What it holds is never touched; HostFailed when another vm has it, or
        where the host has no datastore of the name it is to lie on.
        """
        raise unsupported(self.name, "attach volumes")

    def detach_volume(self, vm: str, volume: str) -> None:
        """Take a volume off a vm, running or not; returns when the vm has let go of it. One that is off is fine."""
        raise unsupported(self.name, "detach volumes")

    def grow_volume(self, vm: str, volume: VolumePlan) -> None:
        """Make a volume of the vm at least as large as this; a running guest sees it at once. It never shrinks."""
        raise unsupported(self.name, "grow volumes")

    def attach_nic(self, vm: str, nic: NicPlan) -> None:
        """Plug a card into a vm, running or not, for good; its network is there. One with its MAC is left alone."""
        raise unsupported(self.name, "attach cards")

    def detach_nic(self, vm: str, mac: str) -> None:
        """Take a card out of a vm; returns when the vm has let go of it. One that isn't there is fine."""
        raise unsupported(self.name, "detach cards")

    def change_seed(self, vm: str, seed: Path) -> None:
        """Put another seed into the vm's drive, running or not. A vm that was installed without one is left alone."""
        raise unsupported(self.name, "change seeds")

    def drop_volume(self, volume: str, datastore: str = "") -> None:
        """Remove a volume and all that is on it, from where it lies.

        One that was never there is fine; HostFailed while a vm has it.
        """
        raise unsupported(self.name, "remove volumes")

    def keep_masters(self, masters: Collection[str]) -> list[str]:
        """Remove what was made on the hypervisor of other masters than these, by their sha256; no vm stands on it.

        The names of what went. What is in use just now stays; most drivers make nothing of masters.
        """
        return []

    def survey(self) -> list[Found]:
        """All that bears our mark or lies in our directory, read anew: nothing remembered is believed."""
        raise unsupported(self.name, "tell all it has")

    @abstractmethod
    def close(self) -> None:
        """Let go of the hypervisor. VMs keep running."""
