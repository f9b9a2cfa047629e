# SPDX-License-Identifier: Apache-2.0
"""A choice on its way into the database, and what is kept of it."""

from dataclasses import dataclass
from functools import cached_property

from services.common.contracts.ids import derived_id
from services.common.contracts.journal import JobView, JsonDict
from services.common.contracts.placement import HostView
from services.common.store.hosts import StoredDecision
from services.common.store.tables import table_of
from services.common.store.together import How, Row
from services.scheduler import seen
from services.scheduler.capacity import Amounts
from services.scheduler.energy import watts_added
from services.scheduler.engine.compact import Compact
from services.scheduler.engine.formulas import GRAIN
from services.scheduler.policy import Policy

DECISIONS = table_of(StoredDecision)


@dataclass(frozen=True)
class Seat:
    """A job, the choice for its vm, the host as it was seen then, and the hosts that were tried before."""

    job: JobView
    policy: Policy
    compact: Compact
    host: HostView
    tried: tuple[str, ...] = ()

    @cached_property
    def limits(self) -> Amounts:
        """The most that claims on the host may add up to."""
        return self.policy.capacity.limits(self.host)

    @cached_property
    def watts(self) -> float | None:
        """What the vm is expected to add."""
        added = watts_added(self.compact.request, self.host, self.policy.capacity)
        return None if added is None else round(added, 3)


def facts_of_seat(seat: Seat) -> JsonDict:
    """What the place step tells: host, host_name, score, watts (None: unknown), policy."""
    return {
        "host": seat.host.id,
        "host_name": seat.host.name,
        "score": seat.compact.score,
        "watts": seat.watts,
        "policy": seat.policy.name,
    }


def explanation(seat: Seat) -> JsonDict:
    """The Decision as store.explanations keeps it in short: it is on every vm's way."""
    compact, policy = seat.compact, seat.policy
    hosts = [[host, *grains] for host, grains in compact.shown(seat.tried)]
    return {
        "request": {name: list(v) if isinstance(v, tuple) else v for name, v in vars(compact.request).items()},
        "policy": policy.name,
        "policy_sha": compact.policy_sha,
        "generation": compact.generation,
        "host": compact.host,
        "candidates": {"grain": GRAIN, "terms": compact.plan.terms, "hosts": hosts},
        "filters": {"tested": compact.tested, "names": compact.plan.names, **_counts(compact)},
        "misses": [],
        "relaxations": [],
        "watts": seat.watts,
    }


def _counts(compact: Compact) -> JsonDict:
    filters = len(compact.plan.names)
    counts = compact.note[-2 * filters :].tolist()
    return {"first": counts[:filters], "alone": counts[filters:]}


def decision_row(seat: Seat, now: float) -> Row:
    """The decision as it is kept; the same try of the same job keeps one, the last."""
    compact, policy = seat.compact, seat.policy
    values = {
        "id": derived_id(seat.job.id, "decision", seat.job.fence),
        "project_id": seat.job.project,
        "job_id": seat.job.id,
        "vm_id": compact.request.id,
        "host_id": compact.host,
        "policy": policy.name,
        "policy_sha": compact.policy_sha,
        "generation": compact.generation,
        "explanation": explanation(seat),
        "seen": seen.kept([seat.host]),
        "created_at": now,
    }
    return Row(DECISIONS, values, How.UPSERT)
