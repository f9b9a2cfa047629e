# SPDX-License-Identifier: Apache-2.0
"""A job's events: as a list, or as a stream that replays what was missed."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers import jobs
from services.api.handlers.streaming import Source, respond, stream, wants_stream
from services.api.views.events import shown, stored
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.events import FINAL_EVENTS
from services.common.contracts.states import JOB_FINAL
from services.common.contracts.topics import job_channel
from services.common.store.models import Job, JobEvent

JsonDict = dict[str, Any]
PAGE = 1000


def of_job(call: Call) -> Any:
    """Events of one job; with Accept: text/event-stream live, from Last-Event-ID (or ?after) on."""
    with call.parts.database.read() as db:
        job = jobs.find(call, db)
        after = _after_seq(call)
        if not wants_stream(call.headers.get("Accept", "")):
            return Answer({"items": _events(db, job.id, after, call.admin), "next": None})
    return respond(stream(call.parts.feed, _JobReader(call, job.id, after).source()))


def _after_seq(call: Call) -> int:
    last = call.headers.get("Last-Event-ID", "")
    if last:
        if not last.isdigit() or len(last) > 10:
            detail = f"Last-Event-ID {last[:20]!r} is not a seq"
            raise Invalid(detail, [Problem("header:Last-Event-ID", detail, "send the id of the last event seen")])
        return int(last)
    return int(call.query.get("after") or 0)


def _events(db: Session, job_id: str, after: int, names: bool) -> list[JsonDict]:
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > after).order_by(JobEvent.seq)
    return [stored(row, names) for row in db.scalars(query.limit(PAGE))]


class _JobReader:
    """Where one reader of one job stands."""

    def __init__(self, call: Call, job_id: str, after: int):
        self._database = call.parts.database
        self._job = job_id
        self._last = after
        self._names = call.admin

    def source(self) -> Source:
        """Its stream."""
        return Source(self._read, self._follows, self._over, [job_channel(self._job)], self._names)

    def _read(self) -> list[tuple[str, JsonDict]]:
        with self._database.read() as db:
            found = _events(db, self._job, self._last, self._names)
        if found:
            self._last = found[-1]["seq"]
        return [(str(event["seq"]), event) for event in found]

    def _follows(self, event: JsonDict) -> str:
        if event["seq"] != self._last + 1:
            return ""
        self._last = event["seq"]
        event.update(shown(event, self._names))
        return str(event["seq"])

    def _over(self, event: JsonDict) -> bool:
        if event["kind"] not in FINAL_EVENTS or event["seq"] != self._last:
            return False
        with self._database.read() as db:  # a retried job goes on after a final event
            row = db.execute(select(Job.state, Job.last_seq).where(Job.id == self._job)).one()
        return row.state in JOB_FINAL and row.last_seq == self._last
