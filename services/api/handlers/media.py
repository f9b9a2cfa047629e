# SPDX-License-Identifier: Apache-2.0
"""Media: a vendor's ISO or cloud image, imported by URL and sha256 as a job."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.catalogue import media_view
from services.api.views.jobs import fresh_view
from services.common.contracts.errors import Conflict, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import MEDIA_MOVES, MediaState, moved
from services.common.store.models import Media
from services.common.store.opening import Opening, open_job

JsonDict = dict[str, Any]
ORDER = Order(Media.id, {"name": Media.name, "created_at": Media.id, "state": Media.state})


def listing(call: Call, db: Session) -> JsonDict:
    """The project's media."""
    statement = select(Media).where(Media.project_id == call.project.id, Media.state != str(MediaState.DELETED))
    if call.query.get("os"):
        statement = statement.where(Media.os == call.query["os"])
    return listed(db, call, statement, ORDER, lambda rows: [media_view(r) for r in rows])


def get(call: Call, db: Session) -> JsonDict:
    """One medium."""
    return chosen(media_view(_find(call, db)), call.query.get("fields"))


def add(call: Call, db: Session) -> Answer:
    """Import a medium: the job downloads it, checks its sha256 while streaming, and keeps it whole or not at all."""
    asked = call.body
    if asked["os"] and asked["os"] not in call.parts.systems:
        detail = f"there is no os {asked['os']!r}"
        raise Invalid(detail, [Problem("/os", detail, "GET /v1/os lists them; or leave it out")])
    named = select(Media).where(Media.project_id == call.project.id, Media.name == asked["name"])
    old = db.scalars(named).first()
    if old is not None:
        if old.state in (MediaState.IMPORTING, MediaState.AVAILABLE):
            detail = f"a medium named {asked['name']!r} exists"
            raise Conflict(detail, [Problem("/name", detail, "choose another name, or delete it first")])
        db.delete(old)
        db.flush()
    row = Media(
        id=new_id(),
        project_id=call.project.id,
        size=None,
        state=str(MediaState.IMPORTING),
        job_id=None,
        error="",
        created_at=call.now,
        updated_at=call.now,
        **asked,
    )
    db.add(row)
    db.flush()
    opening = Opening("media.import", row.project_id, media_id=row.id, requested_by=call.who.id, trace_id=call.trace_id)
    job = open_job(db, opening)
    row.job_id = job.id
    db.flush()
    body = {"media": media_view(row), "job": fresh_view(call, db, job, "")}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"})


def drop(call: Call, db: Session) -> Answer:
    """Forget a medium; vms made from it stay."""
    row = _find(call, db)
    etags.check(call.headers.get("If-Match", ""), media_view(row)["etag"], required=False)
    if row.state == MediaState.IMPORTING:
        raise Conflict(f"medium {row.name!r} is being imported; cancel job {row.job_id} first")
    row.state = str(moved(MEDIA_MOVES, MediaState(row.state), MediaState.DELETED))
    row.updated_at = call.now
    return Answer(None, 204)


def _find(call: Call, db: Session) -> Media:
    mine = (Media.id == call.path["media_id"], Media.project_id == call.project.id)
    row = db.scalars(select(Media).where(*mine, Media.state != str(MediaState.DELETED))).first()
    if row is None:
        raise NotFound(f"there is no medium {call.path['media_id']} in project {call.project.name!r}")
    return row
