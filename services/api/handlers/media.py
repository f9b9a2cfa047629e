# SPDX-License-Identifier: Apache-2.0
"""Media: a vendor's ISO or cloud image, imported by URL and sha256 as a job, or sent by the user."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.jobs import fresh_view
from services.api.views.media import media_view, upload_view
from services.common.contracts.errors import Conflict, IllegalMove, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import JOB_ACTIVE, MEDIA_MOVES, MediaState, moved
from services.common.store.media_quota import check_media_quota
from services.common.store.models import Job, Media
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
    return chosen(media_view(found(call, db)), call.query.get("fields"))


def add(call: Call, db: Session) -> Answer:
    """Import a medium: by URL a job that downloads it; else the answer says where to send it (201).

    Its sha256 is checked while it comes, and it is kept whole or not at all.
    """
    asked = dict(call.body)
    if asked["os"] and asked["os"] not in call.parts.systems:
        detail = f"there is no os {asked['os']!r}"
        raise Invalid(detail, [Problem("/os", detail, "GET /v1/os lists them; or leave it out")])
    _make_way(call, db, asked["name"])
    # What a URL has is found out later; a full quota refuses it at once.
    check_media_quota(db, call.project.id, asked.get("size", 1))
    sent = asked.pop("upload")
    row = Media(
        id=new_id(),
        project_id=call.project.id,
        state=str(MediaState.IMPORTING),
        created_at=call.now,
        updated_at=call.now,
        # Nobody can bring back for a user what only he had.
        **{"url": "", "size": None, "protect": sent, "error": "", **asked},
    )
    db.add(row)
    db.flush()
    return _begun(call, db, row)


def again(call: Call, db: Session) -> Answer:
    """Import a medium again that was collected or has failed; as the first time, a job, or an upload."""
    row = found(call, db, lock=True)
    if is_busy(db, row):
        raise Conflict(f"medium {row.name!r} is being imported; see job {row.job_id}")
    if row.state == MediaState.FAILED:
        row.state = str(moved(MEDIA_MOVES, MediaState.FAILED, MediaState.IMPORTING))
    elif row.collected_at is None:
        raise IllegalMove(f"medium {row.name!r} is {row.state}; there is nothing to import again")
    check_media_quota(db, call.project.id, row.size or 1, but=row.id)
    row.error, row.updated_at = "", call.now
    db.flush()
    return _begun(call, db, row)


def change(call: Call, db: Session) -> JsonDict:
    """Protect a medium from being collected, or no longer."""
    row = found(call, db, lock=True)
    etags.check(call.headers.get("If-Match", ""), media_view(row)["etag"], required=False)
    row.protect, row.updated_at = call.body.get("protect", row.protect), call.now
    db.flush()
    return media_view(row)


def drop(call: Call, db: Session) -> Answer:
    """Forget a medium; vms made from it stay. Its file goes soon after, unless another medium is the same."""
    row = found(call, db, lock=True)
    etags.check(call.headers.get("If-Match", ""), media_view(row)["etag"], required=False)
    if is_busy(db, row):
        raise Conflict(f"medium {row.name!r} is being imported; cancel job {row.job_id} first")
    row.state = str(moved(MEDIA_MOVES, MediaState(row.state), MediaState.DELETED))
    row.updated_at = call.now
    return Answer(None, 204)


def found(call: Call, db: Session, lock: bool = False) -> Media:
    """The medium of the path; raises NotFound for another project's."""
    mine = (Media.id == call.path["media_id"], Media.project_id == call.project.id)
    query = select(Media).where(*mine, Media.state != str(MediaState.DELETED))
    row = db.scalars(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"there is no medium {call.path['media_id']} in project {call.project.name!r}")
    return row


def is_busy(db: Session, row: Media) -> bool:
    """Whether a job imports it now."""
    state = db.scalar(select(Job.state).where(Job.id == row.job_id)) if row.job_id else None
    return state in JOB_ACTIVE


def import_job(call: Call, db: Session, row: Media) -> JsonDict:
    """Open the job that imports it; how it is shown."""
    opening = Opening("media.import", row.project_id, media_id=row.id, requested_by=call.who.id, trace_id=call.trace_id)
    job = open_job(db, opening)
    row.job_id = job.id
    db.flush()
    return fresh_view(call, db, job, "")


def _begun(call: Call, db: Session, row: Media) -> Answer:
    if not row.url:
        row.job_id = None
        db.flush()
        body = {"media": media_view(row), "job": None, "upload": upload_view(row, 0)}
        return Answer(body, 201, {"Location": f"/v1/media/{row.id}"})
    job = import_job(call, db, row)
    body = {"media": media_view(row), "job": job, "upload": None}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job['id']}"})


def _make_way(call: Call, db: Session, name: str) -> None:
    """Remove a medium of that name that is no more; raise Conflict for one that is."""
    old = db.scalars(select(Media).where(Media.project_id == call.project.id, Media.name == name)).first()
    if old is None:
        return
    if old.state in (MediaState.IMPORTING, MediaState.AVAILABLE):
        detail = f"a medium named {name!r} exists"
        fix = "choose another name, or delete it first"
        if old.collected_at is not None:
            fix = f"POST /v1/media/{old.id}/import brings it back; or choose another name"
        raise Conflict(detail, [Problem("/name", detail, fix)])
    db.delete(old)
    db.flush()
