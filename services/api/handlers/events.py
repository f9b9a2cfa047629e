# SPDX-License-Identifier: Apache-2.0
"""A job's events and a project's events: as a list, or as a stream that replays what was missed."""

import math
from typing import Any

from sqlalchemy import literal, select, tuple_
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers import jobs
from services.api.handlers.streaming import Source, respond, stream, wants_stream
from services.api.views.events import shown, stored
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.events import FINAL_EVENTS
from services.common.contracts.states import JOB_FINAL
from services.common.contracts.topics import job_channel, project_channel
from services.common.store.drifts import SEQ, DriftEntry, drift_message
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


def of_project(call: Call) -> Any:
    """Events of the project's jobs, and of vms that drift; a stream begins now, or after Last-Event-ID (or ?after)."""
    after = call.headers.get("Last-Event-ID", "") or call.query.get("after") or ""
    position = _position(after) if after else None
    if wants_stream(call.headers.get("Accept", "")):
        return respond(stream(call.parts.feed, _FeedReader(call, position).source()))
    with call.parts.database.read() as db:
        found = _feed(db, call.project.id, position or (0.0, "", 0), call.query["limit"], call.admin)
    return Answer({"items": [event for _, event in found], "next": found[-1][0] if found else None})


Position = tuple[float, str, int]


def _position(text: str) -> Position:
    try:
        at, job, seq = text.split("/")
        if not (math.isfinite(float(at)) and seq.isdecimal() and len(seq) < 10):
            raise ValueError("no time, or no seq")
        return float(at), job, int(seq)
    except ValueError as error:
        detail = f"{text[:60]!r} is not the id of an event"
        raise Invalid(detail, [Problem("?after", detail, "send the id of the last event seen")]) from error


def _feed(db: Session, project: str, after: Position, limit: int, names: bool) -> list[tuple[str, JsonDict]]:
    place = tuple_(JobEvent.at, JobEvent.job_id, JobEvent.seq)
    query = select(JobEvent).where(JobEvent.project_id == project, place > after)
    rows = db.scalars(query.order_by(JobEvent.at, JobEvent.job_id, JobEvent.seq).limit(limit)).all()
    told = [((row.at, row.job_id, row.seq), stored(row, names)) for row in rows]
    of_jobs_and_drifts = sorted([*told, *_drifts(db, project, after, limit, names)], key=lambda one: one[0])
    return [(_key(place), event) for place, event in of_jobs_and_drifts[:limit]]


def _drifts(db: Session, project: str, after: Position, limit: int, names: bool) -> list[tuple[Position, JsonDict]]:
    place = tuple_(DriftEntry.at, DriftEntry.id, literal(SEQ))
    query = select(DriftEntry).where(DriftEntry.project_id == project, place > after)
    rows = db.scalars(query.order_by(DriftEntry.at, DriftEntry.id).limit(limit)).all()
    return [((row.at, row.id, SEQ), shown(drift_message(row), names)) for row in rows]


def _key(place: Position) -> str:
    at, source, seq = place
    return f"{at!r}/{source}/{seq}"


def _source(event: JsonDict) -> str:
    return str(event["job"] or event["drift"])


class _FeedReader:
    """Where one reader of a project stands. Commits may overtake each other, so a little is read twice."""

    OVERLAP_S = 5.0

    def __init__(self, call: Call, after: Position | None):
        self._database = call.parts.database
        self._project = call.project.id
        self._floor = after or (call.now, "", 0)
        self._at = self._floor[0]
        self._seen: dict[tuple[str, int], float] = {}
        self._names = call.admin

    def source(self) -> Source:
        """Its stream; it is never over."""
        return Source(self._read, self._follows, lambda _event: False, [project_channel(self._project)], self._names)

    def _read(self) -> list[tuple[str, JsonDict]]:
        begin = max(self._floor, (self._at - self.OVERLAP_S, "", 0))
        fresh: list[tuple[str, JsonDict]] = []
        full = True
        # In a busy moment a page may hold nothing but what is read twice: what is new comes after it.
        while full and not fresh:
            with self._database.read() as db:
                found = _feed(db, self._project, begin, PAGE, self._names)
            fresh = [(key, e) for key, e in found if self._new(_source(e), e["seq"], _position(key)[0])]
            full = len(found) == PAGE
            begin = _position(found[-1][0]) if found else begin
        self._seen = {k: at for k, at in self._seen.items() if at > self._at - 2 * self.OVERLAP_S}
        return fresh

    def _new(self, source: str, seq: int, at: float) -> bool:
        self._at = max(self._at, at)
        if (source, seq) in self._seen:
            return False
        self._seen[source, seq] = at
        return True

    def _follows(self, event: JsonDict) -> str:
        at = float(event["at"])
        if not self._new(_source(event), event["seq"], at):
            return ""
        event.update(shown(event, self._names))
        return _key((at, _source(event), event["seq"]))
