# SPDX-License-Identifier: Apache-2.0
"""Beginning to put a host to sleep or to wake it: its state and the job that does it, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from services.common.contracts.errors import Conflict, NotFound
from services.common.contracts.states import HostState
from services.common.contracts.waking import WAYS, ways_of
from services.common.store.base import JsonDict
from services.common.store.host_states import move_host
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.opening import Opening, open_job


@dataclass(frozen=True)
class Asker:
    """In whose name a job is opened."""

    project: str
    user: str = ""
    trace_id: str = ""


def put_to_sleep(session: Session, host_id: str, asker: Asker) -> Job:
    """Open the job; Conflict where the host isn't up, holds a claim, or nobody could wake it again."""
    host = _known(session, host_id)
    if not _ways(host):
        raise Conflict(f"host {host.name!r} could not be woken again: give its agent wake_on_lan or controller first")
    if not move_host(session, host_id, HostState.FALLING_ASLEEP, [HostState.UP], empty=True):
        session.refresh(host)
        reason = f"is {host.state}" if host.state != HostState.UP else "holds room for vms"
        raise Conflict(f"host {host.name!r} {reason}; only an empty host that is up can sleep")
    return _opened(session, "host.sleep", host, asker)


def wake_up(session: Session, host_id: str, asker: Asker, by: Sequence[str] = ()) -> Job:
    """Open the job; Conflict where the host neither sleeps nor is down, or there is no way to wake it.

    `by`: the ways that may be used, the best first (contracts.waking); empty: all that the host has.
    """
    host = _known(session, host_id)
    if not _ways(host, by):
        raise Conflict(f"host {host.name!r} can't be woken: its agent has told no {' and no '.join(by or WAYS)}")
    if not move_host(session, host_id, HostState.WAKING, [HostState.ASLEEP, HostState.DOWN]):
        session.refresh(host)
        raise Conflict(f"host {host.name!r} is {host.state}; only one that is asleep or down can be woken")
    return _opened(session, "host.wake", host, asker, {"by": list(by)} if by else {})


def _known(session: Session, host_id: str) -> Host:
    host = session.get(Host, host_id)
    if host is None:
        raise NotFound(f"there is no host {host_id}")
    return host


def _ways(host: Host, by: Sequence[str] = ()) -> tuple[str, ...]:
    return ways_of((host.facts or {}).get("wake") or {}, by)


def _opened(session: Session, kind: str, host: Host, asker: Asker, more: JsonDict | None = None) -> Job:
    params = {"host": host.id, "host_name": host.name, **(more or {})}
    job = open_job(
        session, Opening(kind, asker.project, params=params, requested_by=asker.user, trace_id=asker.trace_id)
    )
    session.flush()
    session.refresh(host)
    return job
