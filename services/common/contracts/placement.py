# SPDX-License-Identifier: Apache-2.0
"""The values a placement is decided on, and the explanation that is kept with every decision."""

from dataclasses import dataclass, field

from services.common.contracts.datastores import Room
from services.common.contracts.vm import VmSpec

FADES = (600.0, 21600.0, 86400.0)  # half-lives of failures, in seconds, besides the usual hour


@dataclass(frozen=True)
class Request:
    """What a vm needs of a host."""

    id: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    hypervisor: str = ""
    host: str = ""
    zone: str = ""
    traits: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # capabilities of a host that it can't do without
    os: str = ""
    project: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    datastores: Room = ()  # what it asks of the host's datastores, beside disk_gib of its own disk

    @property
    def memberships(self) -> tuple[str, ...]:
        """The groups the vm is in, one for each of its labels."""
        return tuple(membership(self.project, label, value) for label, value in self.labels.items())


def membership(project: str, label: str, value: str) -> str:
    """What vms of a project with this label are called as a group: another project's are none of its business."""
    return f"{project}:{label}={value}" if project else f"{label}={value}"


def request_of(vm_id: str, project: str, spec: VmSpec, needs: tuple[str, ...] = ()) -> Request:
    """What this vm needs of a host; `needs` is what its system can't do without, beside what the vm itself can't."""
    return Request(
        id=vm_id,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        disk_gib=spec.disk_gib,
        hypervisor=spec.hypervisor,
        host=spec.host,
        zone=spec.zone,
        traits=spec.traits,
        needs=tuple(dict.fromkeys((*needs, *spec.needs))),
        os=spec.os,
        project=project,
        labels=dict(spec.labels),
    )


@dataclass(frozen=True)
class HostView:
    """A host as the scheduler sees it. `used_*` is what claims hold, never what telemetry says."""

    id: str
    name: str
    driver: str
    state: str
    zone: str
    traits: tuple[str, ...]
    vcpus: int
    memory_mib: int
    disk_gib: int
    used_vcpus: int = 0
    used_memory_mib: int = 0
    used_disk_gib: int = 0
    vms: int = 0
    capabilities: tuple[str, ...] = ()  # what its driver can do
    cpu_percent: float | None = None
    watts: float | None = None
    heartbeat_age_s: float | None = None
    power_curve: tuple[float, ...] = ()
    failures: float = 0.0  # of steps there, half of each left after an hour
    rack: str = ""
    price_kwh: float | None = None
    members: dict[str, int] = field(default_factory=dict)  # by membership(): how many such vms it holds
    failed: tuple[float, ...] = ()  # as `failures`, of each half-life in FADES; empty: none
    cpu_p95_5m: float | None = None  # the 95th percentile of cpu_percent
    cpu_p95_1h: float | None = None
    datastores: dict[str, int] = field(default_factory=dict)  # GiB that are left on each, by its name


@dataclass(frozen=True)
class Miss:
    """Why one host was refused: which filter, in words with numbers, and what would have to give."""

    host: str
    filter: str
    reason: str
    lacks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FilterCount:
    """What one filter did: hosts tested, rejected by it first, and rejected by it alone."""

    filter: str
    tested: int
    rejected_first: int
    rejected_alone: int


@dataclass(frozen=True)
class Scored:
    """A candidate and the terms that sum to its score."""

    host: str
    score: float
    terms: dict[str, float]


@dataclass(frozen=True)
class Relaxation:
    """The smallest change of the request that yields a host; applying it must then place."""

    field: str
    asked: str
    fits: str
    host: str
    sentence: str


@dataclass(frozen=True)
class Decision:
    """A choice and its whole explanation. `host` is "" where none can take it."""

    request: Request
    policy: str
    policy_sha: str
    generation: int
    host: str
    candidates: tuple[Scored, ...] = ()  # best first
    filters: tuple[FilterCount, ...] = ()
    misses: tuple[Miss, ...] = ()  # nearest first
    relaxations: tuple[Relaxation, ...] = ()
    watts: float | None = None  # added by this vm, as estimated
