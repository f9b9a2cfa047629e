# SPDX-License-Identifier: Apache-2.0
"""What a host agent can be told to do. Commands are signed, expire, are fenced, and carry no secret.

A command may arrive twice or late. The agent refuses one whose fence is older than the highest it has seen for
the vm, or not newer than the vm's tombstone; everything else it does again without showing it.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.common.contracts.devices import Devices
from services.common.contracts.network import NetworkPlan
from services.common.contracts.sizes import Sizes


class Verb(StrEnum):
    """The verbs of the agent; each is idempotent."""

    DEPLOY = "deploy"  # volumes and definition
    CLONE = "clone"  # the disk of a vm that is still to be deployed, from another vm's
    START = "start"
    STOP = "stop"  # ask the guest (ACPI); done when it is off
    FORCE_STOP = "force-stop"
    REBOOT = "reboot"
    RESET = "reset"  # the button: the guest is not asked
    SUSPEND = "suspend"  # it stands still in the host's memory
    RESUME = "resume"
    SNAPSHOT = "snapshot"
    REVERT = "revert"  # to a snapshot
    DROP_SNAPSHOT = "drop-snapshot"
    RESIZE = "resize"  # at once where that can be, else when it is off next
    WIPE = "wipe"  # domain and the disks made with it; what is plugged in stays its own
    ERASE = "erase"  # domain, volumes, everything; leaves a tombstone
    INVENTORY = "inventory"  # tell all you have, now; not fenced
    SLEEP = "sleep"  # the host itself; refused while a vm runs. `vm` is the host's id, for order and fence
    ATTACH_VOLUME = "attach-volume"  # makes it where it is new
    GROW_VOLUME = "grow-volume"
    DETACH_VOLUME = "detach-volume"  # and, unless it is kept, removes it
    ATTACH_NIC = "attach-nic"
    DETACH_NIC = "detach-nic"
    DROP_VOLUME = "drop-volume"  # of no vm; `vm` is the volume's id, for order and fence
    DROP_NETWORK = "drop-network"  # one that no vm is plugged into; `vm` is the network's id, for order and fence
    SURVEY = "survey"  # tell all that bears our mark or lies in our directories, now; not fenced. `vm` is the host's id
    EVIDENCE = "evidence"  # tell what can be seen of the vm from outside, now; not fenced


# Only looks are taken: nothing an older or a younger command does is in their way.
LOOKS = frozenset({Verb.INVENTORY, Verb.EVIDENCE, Verb.SURVEY})


@dataclass(frozen=True)
class Artifact:
    """A file the host shall have: content-addressed, fetched by a signed, short-lived URL, kept by sha256."""

    sha256: str
    size: int
    format: str  # raw | qcow2 | iso | kernel | initrd
    url: str
    shared: bool = True  # False: made for this vm alone, removed with it


@dataclass(frozen=True)
class DiskPlan:
    """One disk or CD-ROM of a vm. With `base` it starts as that image (a copy-on-write overlay), else empty.

    One that was `cloned` is there before the vm is deployed, and stands on nothing but what it says itself.
    """

    role: str  # root | data | seed | installer
    size_gib: int = 0  # 0: as large as its base
    base: Artifact | None = None
    device: str = "disk"  # disk | cdrom
    backing: Artifact | None = None  # the master under `base`, where that is an overlay of one
    cloned: bool = False

    @property
    def begins_as(self) -> Artifact | None:
        """The image that is its first content, to be written to; a drive has one in it instead."""
        return self.base if self.device != "cdrom" else None


@dataclass(frozen=True)
class VolumePlan:
    """A disk with a life of its own: it lies beside the vms and is plugged into one of them at a time."""

    id: str
    size_gib: int
    keep: bool = True  # False: who takes it off removes it, with all that is on it
    datastore: str = ""  # where it lies, by the host's name for it; "" on the host's own disk


@dataclass(frozen=True)
class NicPlan:
    """A NIC and the network it is plugged into."""

    mac: str
    network: NetworkPlan
    mtu: int = 0
    addresses: tuple[str, ...] = ()  # those it may send from where its network holds guests to them; () it learns them
    stacked: bool = False  # it sends what no filter of plain IPv4 knows: IPv6, a bond's or VLANs' frames


@dataclass(frozen=True)
class CardPlan:
    """A NIC that comes or goes; `seed` takes the place of the vm's seed CD, where it has one."""

    nic: NicPlan
    seed: Artifact | None = None


@dataclass(frozen=True)
class DeployPlan:
    """All a driver needs to define a vm. `uuid` and `name` are derived from the vm's id."""

    uuid: str
    name: str
    vcpus: int
    memory_mib: int
    disks: tuple[DiskPlan, ...]
    nics: tuple[NicPlan, ...]
    kernel: Artifact | None = None  # direct kernel boot
    initrd: Artifact | None = None
    cmdline: str = ""
    firmware: str = "bios"  # bios | uefi
    os: str = ""
    devices: Devices = field(default_factory=Devices)


@dataclass(frozen=True)
class ClonePlan:
    """Another vm of the same host, whose first disk is copied, and how large the copy shall be.

    `linked`: what is written later alone is the clone's; for the rest it reads the disk of its source.
    """

    source: str
    size_gib: int
    linked: bool = False


@dataclass(frozen=True)
class SnapshotPlan:
    """A snapshot by its id, its name on the hypervisor too; `memory`: of a vm that runs, with all that it holds."""

    id: str
    memory: bool = False


@dataclass(frozen=True)
class Follow:
    """What the host shall go on with as soon as a command is done: the next step's own command, by its id."""

    id: str
    verb: Verb
    step: str
    timeout_s: float


@dataclass(frozen=True)
class Command:
    """One order to one host. `id` is derived from job, step and fence: the same order has the same id."""

    id: str
    verb: Verb
    host: str
    vm: str
    job: str
    step: str
    fence: int  # the vm's fence
    platform: str  # the owner mark
    timeout_s: float
    plan: DeployPlan | None = None
    then: Follow | None = None
    card: CardPlan | None = None
    volumes: tuple[VolumePlan, ...] = ()  # those the verb is about; of an erase: those that go with the vm
    sizes: Sizes | None = None
    snapshot: SnapshotPlan | None = None
    clone: ClonePlan | None = None

    def following(self) -> "Command | None":
        """The command to go on with, under the same fence."""
        if self.then is None:
            return None
        go_on = self.then
        return replace(
            self, id=go_on.id, verb=go_on.verb, step=go_on.step, timeout_s=go_on.timeout_s, plan=None, then=None
        )
