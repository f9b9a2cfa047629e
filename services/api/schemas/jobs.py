# SPDX-License-Identifier: Apache-2.0
"""Jobs, their steps, and the events of their journals, as shown."""

from marshmallow import Schema, fields, validate

from services.api.schemas.pieces import Reading, listing, moment, page_of
from services.common.contracts.states import JobState


class StepShape(Schema):
    """One step of a job."""

    name = fields.String()
    state = fields.String(validate=validate.OneOf(("pending", "running", "done", "failed", "undone")))
    undo = fields.Boolean(metadata={"description": "Takes back what a step left behind"})
    started_at = moment("Begun")
    finished_at = moment("Ended")
    elapsed_s = fields.Float(allow_none=True)
    expected_s = fields.Float(allow_none=True, metadata={"description": "The median of earlier runs, or a first guess"})
    silence_s = fields.Float(
        allow_none=True, metadata={"description": "How long its guest may say nothing new, learned from earlier runs"}
    )


class PhaseShape(Schema):
    """How far a guest is that a job waits for, as it said itself."""

    name = fields.String()
    percent = fields.Float(allow_none=True)
    at = moment("Said at")


class JobShape(Schema):
    """What somebody asked for, and how far it has come."""

    id = fields.String()
    kind = fields.String()
    project = fields.String()
    state = fields.String(validate=validate.OneOf([str(s) for s in JobState]))
    step = fields.String()
    phase = fields.Nested(PhaseShape(), allow_none=True)
    attempt = fields.Integer()
    vm = fields.String(allow_none=True)
    media = fields.String(allow_none=True)
    steps = fields.List(fields.Nested(StepShape()))
    expected_s = fields.Float(allow_none=True)
    error = fields.Dict(allow_none=True)
    last_seq = fields.Integer()
    requested_by = fields.String()
    trace_id = fields.String()
    created_at = moment("Asked for at")
    started_at = moment("First step begun")
    finished_at = moment("Over since")
    deadline_at = moment("The present step's deadline")
    etag = fields.String()


class JobAnswer(Schema):
    """A job, and whether the change was only tried."""

    job = fields.Nested(JobShape())
    dry_run = fields.Boolean()


class EventShape(Schema):
    """A fact of a job, or of a vm that drifted, in the past tense."""

    job = fields.String(metadata={"description": '"" for what no job did'})
    drift = fields.String(metadata={"description": "The id of a line in a vm's journal of drifts"})
    seq = fields.Integer()
    project = fields.String()
    vm = fields.String(allow_none=True)
    kind = fields.String()
    step = fields.String()
    text = fields.String()
    state = fields.String()
    vm_state = fields.String()
    data = fields.Dict()
    at = moment("Happened at")


class EventsQuery(Reading):
    """Events of one job."""

    after = fields.Integer(
        validate=validate.Range(0, 2**31 - 1),
        metadata={"description": "Only events with a higher seq (or Last-Event-ID)"},
    )


class FeedQuery(Reading):
    """Events of the whole project."""

    after = fields.String(metadata={"description": "The id of the last event seen (or Last-Event-ID)"})
    limit = fields.Integer(load_default=200, validate=validate.Range(1, 1000))


JOB_LIST = listing(
    "Jobs",
    ("created_at", "state", "kind"),
    "-created_at",
    state=fields.String(validate=validate.OneOf([str(s) for s in JobState])),
    active=fields.Boolean(metadata={"description": "Only unfinished (true) or finished (false) ones"}),
    kind=fields.String(),
    vm=fields.String(metadata={"description": "Of this vm's id"}),
)
JOB_PAGE = page_of(JobShape)
EVENT_PAGE = page_of(EventShape)
