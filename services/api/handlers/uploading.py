# SPDX-License-Identifier: Apache-2.0
"""Sending a medium: in one piece or many, gone on with where it broke off, passed on to the image builder as it comes.

The api keeps nothing of it and needs no disk. When all of it is there, the job that checks and keeps it begins.
"""

import re
from collections.abc import Mapping

from sqlalchemy.orm import Session

from services.api.builder_uploads import BuilderUploads
from services.api.call import Answer, Call
from services.api.handlers.media import found, import_job, is_busy
from services.api.views.jobs import fresh_view
from services.api.views.media import media_view, upload_view
from services.common.contracts.errors import Conflict, Malformed
from services.common.contracts.states import MediaState
from services.common.store.models import Job, Media

_RANGE = re.compile(r"bytes (\d{1,16})-(\d{1,16})/(\d{1,16}|\*)")


def progress(call: Call) -> Answer:
    """How far it is: the offset to go on from, also as the header Upload-Offset (HEAD)."""
    with call.parts.database.read() as db:
        row = found(call, db)
        awaited = _is_awaited(db, row)
    size = row.size or 0
    if not awaited:
        offset = size if row.state in (MediaState.AVAILABLE, MediaState.IMPORTING) else 0
    else:
        offset = BuilderUploads(call.parts).offset(row.id, size)
    return Answer(upload_view(row, offset), 200, _told(offset, size))


def receive(call: Call) -> Answer:
    """A piece of it, by Content-Range, or all of it. The last one answers 202 with the job that imports it."""
    with call.parts.database.read() as db:
        row = found(call, db)
        if not _is_awaited(db, row):
            raise Conflict(f"medium {row.name!r} is not waiting to be sent; it is {media_view(row)['state']}")
    size, builder = row.size or 0, BuilderUploads(call.parts)
    have = builder.offset(row.id, size)
    if have < size:
        start, length = _piece(call.headers, size)
        if start != have:
            detail = f"the piece begins at byte {start}, and {have} have come; go on from {have}"
            raise Conflict(detail, extra={"offset": have, "headers": _told(have, size)})
        have = builder.send(row.id, size, (start, length), call.stream)
    if have < size:
        return Answer(upload_view(row, have), 200, _told(have, size))
    return _all_there(call)


def _all_there(call: Call) -> Answer:
    with call.parts.database.write() as db:
        row = found(call, db, lock=True)
        # The same last piece, sent twice, is one import.
        job = fresh_view(call, db, db.get_one(Job, row.job_id), "") if is_busy(db, row) else import_job(call, db, row)
        body = upload_view(row, row.size or 0, job)
        return Answer(body, 202, {"Location": f"/v1/jobs/{job['id']}", **_told(row.size or 0, row.size or 0)})


def _is_awaited(db: Session, row: Media) -> bool:
    if row.url:
        raise Conflict(f"medium {row.name!r} comes from its URL; there is nothing to send")
    return (row.state == MediaState.IMPORTING or row.collected_at is not None) and not is_busy(db, row)


def _piece(headers: Mapping[str, str], size: int) -> tuple[int, int]:
    """(start, length) of what the request brings; Malformed where its headers can't be right."""
    length = headers.get("Content-Length") or ""
    if not length.isascii() or not length.isdigit():
        raise Malformed("send Content-Length: a piece of a medium says how long it is")
    header = headers.get("Content-Range") or ""
    if not header:
        return 0, int(length)
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        raise Malformed(f"Content-Range can't be read; send bytes FIRST-LAST/{size}")
    first, last, whole = int(match[1]), int(match[2]), match[3]
    if last - first + 1 != int(length) or last >= size or whole not in ("*", str(size)):
        raise Malformed(f"Content-Range doesn't fit: {length} bytes come, and the medium has {size}")
    return first, int(length)


def _told(offset: int, size: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Length": str(size), "Cache-Control": "no-store"}
