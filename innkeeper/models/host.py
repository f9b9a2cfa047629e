# SPDX-License-Identifier: Apache-2.0
"""A host: capacity, what claims hold of it, and what its telemetry says."""

from dataclasses import dataclass

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Datastore(Answer):
    """A place for volumes that a host has beside its own disk. Of size 0: its host tells it no more."""

    name: str
    kind: str = ""
    size_gib: int = 0
    used_gib: int = 0
    grows: bool = True


@dataclass(frozen=True, kw_only=True)
class Host(Answer):
    """A machine that runs vms; `used_*` is what claims hold. Sizes in MiB and GiB, watts as measured or estimated."""

    id: str
    name: str = ""
    state: str = ""
    driver: str = ""
    zone: str = ""
    rack: str = ""
    price_kwh: float | None = None
    price_now: float | None = None
    traits: tuple[str, ...] = ()
    accelerator: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    used_vcpus: int = 0
    used_memory_mib: int = 0
    used_disk_gib: int = 0
    vms: int = 0
    datastores: tuple[Datastore, ...] = ()
    cpu_percent: float | None = None
    watts: float | None = None
    watts_source: str = ""
    wake_by: tuple[str, ...] = ()
    heartbeat_age_s: float | None = None
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class VmPower(Answer):
    """A vm's part of its host's watts; `cores` is how many it kept busy, where that is measured."""

    id: str
    name: str = ""
    vcpus: int = 0
    cores: float | None = None
    watts: float = 0.0
    idle_watts: float = 0.0
    dynamic_watts: float = 0.0
    cost_per_h: float | None = None


@dataclass(frozen=True, kw_only=True)
class HostPower(Answer):
    """What a host draws, and whose it is; `watts` is None while nothing is heard of it."""

    host: str
    name: str = ""
    watts: float | None = None
    source: str = ""
    idle_watts: float = 0.0
    price_kwh: float | None = None
    cost_per_h: float | None = None
    vms: tuple[VmPower, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedMove(Answer):
    """One vm that would move."""

    vm: str
    vm_name: str = ""
    target: str = ""
    target_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Emptied(Answer):
    """A host that would be empty, and could sleep."""

    host: str
    host_name: str = ""
    watts_saved: float = 0.0
    moves: tuple[PlannedMove, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KeptHost(Answer):
    """A host that would keep its vms, and why."""

    host: str
    host_name: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MovesBudget(Answer):
    """The moves of an hour: as many as the policy says (0: any number), those handed out, and those left (or None)."""

    per_hour: int = 0
    taken: int = 0
    left: int | None = None


@dataclass(frozen=True, kw_only=True)
class ConsolidationPlan(Answer):
    """Moves that would save watts; nothing is moved."""

    emptied: tuple[Emptied, ...] = ()
    kept: tuple[KeptHost, ...] = ()
    budget: MovesBudget | None = None
    moves: int = 0
    watts_saved: float = 0.0
    policy: str = ""
