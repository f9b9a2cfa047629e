# SPDX-License-Identifier: Apache-2.0
"""Every verb of a driver as a line of a table: what comes before it, what it does, and what holds afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.common.contracts.commands import ClonePlan, DeployPlan, DiskPlan, NicPlan, SnapshotPlan, VolumePlan
from services.common.contracts.ids import new_id
from services.common.contracts.network import NetworkPlan
from services.common.contracts.sizes import Sizes
from services.common.contracts.survey import Found, FoundKind
from services.common.contracts.vm import nic_mac
from services.hostagent.drivers.base import Capability, Driver, Owner, Power
from tests.support.hypervisor import PLATFORM, network, plan

SUBNETS = range(100, 250)
_subnets = iter(SUBNETS)


def a_network() -> NetworkPlan:
    """A network that no host has yet."""
    n = next(_subnets)
    name = f"n{n}"
    return network(
        name, cidr=f"10.{n}.0.0/24", gateway=f"10.{n}.0.1", dhcp_start="", dhcp_end="", dns=(), kind="isolated"
    )


@dataclass
class Life:
    """One vm, its network and its volume, in the hands of a driver."""

    driver: Driver
    vm: str = field(default_factory=new_id)
    volume: str = field(default_factory=new_id)
    snapshot: str = field(default_factory=new_id)
    network: NetworkPlan = field(default_factory=network)
    source: str = field(default_factory=new_id)  # what it may be a clone of
    datastore: str = ""  # where its volume lies

    @property
    def plan(self) -> DeployPlan:
        """What is deployed."""
        return plan(self.vm, nics=(NicPlan(nic_mac(self.vm, 0), self.network),))

    def deploy(self) -> None:
        """Under the platform's mark."""
        self.driver.deploy(self.plan, Owner(PLATFORM, self.vm, 1), {})

    def deploy_source(self) -> None:
        """A vm that can be cloned."""
        self.driver.deploy(plan(self.source, "source"), Owner(PLATFORM, self.source, 1), {})

    def clone(self) -> None:
        """The copy of the source's disk, and a vm around it."""
        self.driver.clone_disk(self.vm, ClonePlan(self.source, 1), lambda _percent: None)
        around = replace(self.plan, disks=(DiskPlan("root", 1, cloned=True),))
        self.driver.deploy(around, Owner(PLATFORM, self.vm, 1), {})

    def found(self) -> list[Found]:
        """What of it is on the host, by the driver's own reading."""
        return [one for one in self.driver.survey() if self.vm in (one.vm, one.name) or one.id == self.volume]

    def has_power(self, power: str) -> bool:
        """Whether it is so."""
        return self.driver.power(self.vm) == power

    def has_volume(self, plugged: bool) -> bool:
        """Whether its volume is there, plugged in or not."""
        volumes = [one for one in self.driver.survey() if one.kind == FoundKind.VOLUME and one.id == self.volume]
        return [one.vm == self.vm for one in volumes if one.vm or not plugged] == [plugged]


@dataclass(frozen=True)
class Story:
    """A verb. `of_nothing`: whether it may be said of a vm that never was."""

    verb: str
    before: tuple[str, ...]
    act: Callable[[Life], None]
    holds: Callable[[Life], bool]
    capability: str = ""
    of_nothing: bool = False
    prepare: Callable[[Life], None] = lambda _life: None  # what it needs beside the vm

    def __str__(self) -> str:
        return self.verb


def _gone(life: Life) -> bool:
    return life.has_power(Power.ABSENT) and life.found() == []


_OFF, _ON = ("ensure_network", "deploy"), ("ensure_network", "deploy", "start")
_STORIES = (
    Story("ensure_network", (), lambda v: v.driver.ensure_network(v.network), lambda _: True, of_nothing=True),
    Story("deploy", ("ensure_network",), Life.deploy, lambda v: v.has_power(Power.OFF), of_nothing=True),
    Story("start", _OFF, lambda v: v.driver.start(v.vm), lambda v: v.has_power(Power.ON)),
    Story("force_stop", _ON, lambda v: v.driver.force_stop(v.vm), lambda v: v.has_power(Power.OFF), of_nothing=True),
    Story("erase", _ON, lambda v: v.driver.erase(v.vm), _gone, of_nothing=True),
    Story("reset", _ON, lambda v: v.driver.reset(v.vm), lambda v: v.has_power(Power.ON), Capability.RESET),
    Story("suspend", _ON, lambda v: v.driver.suspend(v.vm), lambda v: v.has_power(Power.PAUSED), Capability.SUSPEND),
    Story(
        "resume",
        (*_ON, "suspend"),
        lambda v: v.driver.resume(v.vm),
        lambda v: v.has_power(Power.ON),
        Capability.SUSPEND,
    ),
    Story(
        "attach_nic",
        _OFF,
        lambda v: v.driver.attach_nic(v.vm, NicPlan(nic_mac(v.vm, 1), v.network)),
        lambda v: v.has_power(Power.OFF),
        Capability.NIC_ATTACH,
    ),
    Story(
        "detach_nic",
        (*_OFF, "attach_nic"),
        lambda v: v.driver.detach_nic(v.vm, nic_mac(v.vm, 1)),
        lambda v: v.has_power(Power.OFF),
        Capability.NIC_ATTACH,
        of_nothing=True,
    ),
    Story(
        "attach_volume",
        _OFF,
        lambda v: v.driver.attach_volume(v.vm, VolumePlan(v.volume, 1, datastore=v.datastore)),
        lambda v: v.has_volume(plugged=True),
        Capability.VOLUME_ATTACH,
    ),
    Story(
        "grow_volume",
        (*_OFF, "attach_volume"),
        lambda v: v.driver.grow_volume(v.vm, VolumePlan(v.volume, 2, datastore=v.datastore)),
        lambda v: v.has_volume(plugged=True),
        Capability.VOLUME_GROW,
    ),
    Story(
        "detach_volume",
        (*_OFF, "attach_volume"),
        lambda v: v.driver.detach_volume(v.vm, v.volume),
        lambda v: v.has_volume(plugged=False),
        Capability.VOLUME_ATTACH,
        of_nothing=True,
    ),
    Story(
        "drop_volume",
        (*_OFF, "attach_volume", "detach_volume"),
        lambda v: v.driver.drop_volume(v.volume, v.datastore),
        lambda v: not any(one.id == v.volume for one in v.driver.survey()),
        Capability.VOLUME_ATTACH,
        of_nothing=True,
    ),
    Story(
        "take_snapshot",
        _OFF,
        lambda v: v.driver.take_snapshot(v.vm, SnapshotPlan(v.snapshot)),
        lambda v: v.driver.snapshots(v.vm) == (v.snapshot,),
        Capability.SNAPSHOT,
    ),
    Story(
        "revert",
        (*_OFF, "take_snapshot", "start"),
        lambda v: v.driver.revert(v.vm, SnapshotPlan(v.snapshot)),
        lambda v: v.has_power(Power.OFF) and v.driver.snapshots(v.vm) == (v.snapshot,),
        Capability.SNAPSHOT,
    ),
    Story(
        "drop_snapshot",
        (*_OFF, "take_snapshot"),
        lambda v: v.driver.drop_snapshot(v.vm, v.snapshot),
        lambda v: v.driver.snapshots(v.vm) == (),
        Capability.SNAPSHOT,
        of_nothing=True,
    ),
    Story(
        "resize",
        _OFF,
        lambda v: v.driver.resize(v.vm, Sizes(2, 96)),
        lambda v: v.driver.resize(v.vm, Sizes(2, 96)) == Sizes(2, 96),
        Capability.RESIZE_OFF,
    ),
    Story(
        "clone_disk",
        ("ensure_network",),
        Life.clone,
        lambda v: v.has_power(Power.OFF) and v.driver.power(v.source) == Power.OFF,
        Capability.CLONE_FULL,
        prepare=Life.deploy_source,
    ),
    Story("wipe", _ON, lambda v: v.driver.wipe(v.vm), _gone, Capability.REBUILD, of_nothing=True),
)
STORIES = {story.verb: story for story in _STORIES}
