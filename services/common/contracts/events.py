# SPDX-License-Identifier: Apache-2.0
"""Facts, in the past tense: what host agents report, and what a job's journal says."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.common.contracts.datastores import Datastore


class AgentEventKind(StrEnum):
    """What an agent may report. `data` of each kind is described beside it."""

    HELLO = "host.hello"  # HostFacts: the agent has (re)started
    HEARTBEAT = "host.heartbeat"  # Telemetry
    INVENTORY = "host.inventory"  # {"vms": [InventoryItem...], "complete": true}
    DONE = "command.done"  # facts of the step; command, fence and step are in the envelope
    FAILED = "command.failed"  # {"code", "detail", "again": bool}
    REFUSED = "command.refused"  # {"reason": "stale-fence" | "tombstone" | "expired"}
    PROGRESS = "command.progress"  # {"percent", "text"}: never stored
    LIFECYCLE = "vm.lifecycle"  # {"power": "on" | "off" | "paused" | "crashed" | "absent", "why": of one that paused}
    GUEST = "guest.message"  # one message of the guest protocol, already checked
    TOOLS = "guest.tools"  # contracts.tools.ToolsFacts: what the hypervisor's own program in the guest says
    SURVEY = "host.survey"  # contracts.survey.Survey; `command` says who asked
    EVIDENCE = "vm.evidence"  # contracts.evidence.Seen, the screenshot in base64; `command` says who asked


@dataclass(frozen=True)
class AgentEvent:
    """The envelope. The broker vouches for `host`: an agent can publish under its own routing key only."""

    id: str
    kind: AgentEventKind
    host: str
    at: float  # seconds since the epoch, the host's clock
    vm: str = ""
    job: str = ""
    step: str = ""
    command: str = ""
    fence: int = 0
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HostFacts:
    """What a host is: capacity as the hypervisor sees it, and what its driver can do."""

    driver: str
    version: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    capabilities: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    accelerator: str = ""  # kvm | tcg
    hypervisor_uri: str = ""
    power_curve: tuple[float, ...] = ()  # watts at 0, 10, ... 100 %
    wake: dict[str, Any] = field(default_factory=dict)  # how it is woken: mac, address, port; controller
    datastores: tuple[Datastore, ...] = ()  # places for volumes beside its own disk


@dataclass(frozen=True)
class Telemetry:
    """How a host is, now. Percentages 0..100, memory and disk as used."""

    cpu_percent: float
    memory_used_mib: int
    disk_used_gib: float
    watts: float
    watts_source: str  # rapl | redfish | ipmi | curve
    running_vms: int = 0
    vm_cores: dict[str, float] = field(default_factory=dict)  # how many cores each vm kept busy; empty: not measured
    cpu_p95_5m: float | None = None  # the 95th percentile of cpu_percent; None: too little is known
    cpu_p95_1h: float | None = None


@dataclass(frozen=True)
class InventoryItem:
    """One vm an agent finds on its hypervisor that carries our owner mark, or a directory of one."""

    vm: str
    fence: int
    power: str  # on | off | paused | crashed | absent (files only)
    name: str = ""
    platform: str = ""


class JobEventKind(StrEnum):
    """What a job's journal says; progress percentages travel on pub/sub alone."""

    QUEUED = "job.queued"
    STEP_STARTED = "step.started"
    STEP_FINISHED = "step.finished"
    STEP_RETRIED = "step.retried"
    STEP_FAILED = "step.failed"
    STEP_PARKED = "step.parked"
    PHASE = "guest.phase"
    UNDO_STARTED = "undo.started"
    STALLED = "job.stalled"
    RESUMED = "job.resumed"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"
    DRIFT = "vm.drifted"  # of a vm without a job: in the journal of drifts
    DRIFT_ENDED = "vm.drift-ended"
    NETWORK_SEEN = "vm.network-seen"  # by the second source, contracts.tools; in the same journal
    PROGRESS = "progress"  # pub/sub only, has no seq


FINAL_EVENTS = frozenset({JobEventKind.SUCCEEDED, JobEventKind.FAILED, JobEventKind.CANCELLED})
