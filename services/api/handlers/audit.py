# SPDX-License-Identifier: Apache-2.0
"""The audit: every host is asked for all it has, and what nobody owns is told."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from services.api.call import Answer, Call
from services.api.intents.ownership import known, lost_room
from services.api.views.moments import moment
from services.common.contracts.codec import load
from services.common.contracts.orphans import Known, Orphan, in_rows, on_host
from services.common.contracts.states import HostState
from services.common.contracts.survey import Found
from services.common.store.models import Host, HostSurvey
from services.common.store.surveys import survey

JsonDict = dict[str, Any]
_PAUSE_S = 0.05
# Whose agents hear a question; a host that never spoke has nothing of ours.
_SPEAKING = (HostState.UP, HostState.DRAINING, HostState.MAINTENANCE)


def orphans(call: Call) -> Answer:
    """Domains, disks, directories, networks, volumes, snapshots, claims and addresses that nobody owns."""
    begun = call.now
    asked = _ask(call)
    rows = _awaited(call, list(asked), call.query["wait"])
    with call.parts.database.read() as db:
        hosts = db.execute(select(Host.id, Host.name, Host.state).where(Host.state != HostState.ENROLLED)).all()
        found = {row.host_id: [load(Found, one) for one in row.found] for row in rows if row.taken_at is not None}
        owners = known(db, [one for things in found.values() for one in things], begun)
        every = [*_all(found, owners, begun), *lost_room(db)]
    names = {host.id: host.name for host in hosts}
    told = {row.host_id: row for row in rows}
    readings = [_reading(host.id, host.name, host.state, told.get(host.id)) for host in hosts]
    body = {
        "at": moment(begun),
        "complete": all(reading["read"] for reading in readings),
        "hosts": readings,
        "orphans": [_shown(orphan, names) for orphan in every],
    }
    return Answer(body)


def _all(found: dict[str, list[Found]], owners: Known, begun: float) -> Iterator[Orphan]:
    for host, things in found.items():
        yield from on_host(host, things, owners, begun)
    yield from in_rows(owners, begun)


def _ask(call: Call) -> dict[str, str]:
    """The surveys that were asked for: their ids, and the hosts."""
    with call.parts.database.write() as db:
        platform = call.parts.journal.platform(db)
        speaking = db.scalars(select(Host.id).where(Host.state.in_([str(s) for s in _SPEAKING]))).all()
        return {survey(db, host_id, platform).id: host_id for host_id in speaking}


def _awaited(call: Call, ids: Sequence[str], seconds: float) -> Sequence[HostSurvey]:
    end = time.monotonic() + seconds
    while True:
        with call.parts.database.ask() as db:
            rows = db.scalars(_those(ids)).all()
        if all(row.taken_at is not None for row in rows) or time.monotonic() >= end:
            return rows
        time.sleep(_PAUSE_S)


def _those(ids: Sequence[str]) -> Any:
    return select(HostSurvey).where(HostSurvey.id.in_(ids))


def _reading(host_id: str, name: str, state: str, row: HostSurvey | None) -> JsonDict:
    if row is None:
        note = f"it is {state}, and was not asked"
    elif row.taken_at is None:
        note = "it did not answer in time"
    else:
        note = row.note
    return {
        "id": host_id,
        "name": name,
        "state": state,
        "read": not note,
        "note": note,
        "things": len(row.found) if row else 0,
    }


def _shown(orphan: Orphan, names: dict[str, str]) -> JsonDict:
    return {
        "kind": orphan.kind,
        "name": orphan.name,
        "host": names.get(orphan.host, orphan.host),
        "vm": orphan.vm or None,
        "reason": orphan.reason,
    }
