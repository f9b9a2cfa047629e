# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a vm from outside: asked of its host in this moment, or as it was kept when a job broke."""

import time
from datetime import UTC, datetime

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.handlers.vms import find
from services.common.contracts.errors import NotFound, TryAgain
from services.common.contracts.states import VmState
from services.common.store.evidence import PATIENCE_S, look
from services.common.store.models import Evidence, Host, Vm

# Those who ask at the same time share one look.
SHARED_S = 2.0
_PAUSE_S = 0.05


def console_log(call: Call) -> Response:
    """The tail of the serial console, as plain text. 503 where the vm's host is silent."""
    row = _seen(call)
    return _answer(row, row.console.encode(), "text/plain; charset=utf-8")


def screenshot(call: Call) -> Response:
    """The vm's screen. 404 where it has none, 503 where the vm's host is silent."""
    row = _seen(call)
    if not row.screenshot:
        raise NotFound(f"there is no picture of this vm's screen: {row.note or 'it is off, or has no screen'}")
    return _answer(row, row.screenshot, "image/png")


def _answer(row: Evidence, body: bytes, kind: str) -> Response:
    at = datetime.fromtimestamp(row.taken_at or row.asked_at, UTC).isoformat(timespec="seconds")
    return Response(body, content_type=kind, headers={"Innkeeper-Taken-At": at, "Cache-Control": "no-store"})


def _seen(call: Call) -> Evidence:
    with call.parts.database.read() as db:
        vm = find(call, db)
        job = call.query.get("job")
        if job or not vm.host_id or vm.state == VmState.FAILED:
            return _kept(db, vm, job)
        recent = select(Evidence.id).where(Evidence.vm_id == vm.id, Evidence.asked_at > call.now - SHARED_S)
        asked = db.scalars(recent.order_by(Evidence.asked_at.desc()).limit(1)).first()
    return _awaited(call, vm, asked or _ask(call, vm.id))


def _kept(db: Session, vm: Vm, job: str | None) -> Evidence:
    taken = select(Evidence).where(Evidence.vm_id == vm.id, Evidence.taken_at.is_not(None))
    if job:
        taken = taken.where(Evidence.job_id == job)
    row = db.scalars(taken.order_by(Evidence.taken_at.desc()).limit(1)).first()
    if row is None:
        raise NotFound("nothing was seen of this vm " + (f"when job {job} broke" if job else "while it was on a host"))
    return row


def _ask(call: Call, vm_id: str) -> str:
    with call.parts.database.write() as db:
        return look(db, db.get_one(Vm, vm_id), call.parts.journal.platform(db)).id


def _awaited(call: Call, vm: Vm, row_id: str) -> Evidence:
    end = time.monotonic() + PATIENCE_S
    while True:
        with call.parts.database.ask() as db:
            row = db.get(Evidence, row_id)
            if row is not None and row.taken_at is not None:
                return row
            if time.monotonic() >= end:
                raise TryAgain(f"the vm's host did not answer within {PATIENCE_S:g} s; {_heard(db, vm, call.now)}")
        time.sleep(_PAUSE_S)


def _heard(db: Session, vm: Vm, now: float) -> str:
    at = db.scalar(select(Host.heartbeat_at).where(Host.id == vm.host_id))
    return f"it was last heard {now - at:.0f} s ago" if at else "it was never heard"
