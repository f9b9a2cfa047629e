# SPDX-License-Identifier: Apache-2.0
"""Volumes as asked for and as shown."""

from marshmallow import Schema, fields, validate

from services.api import grammar
from services.api.schemas.jobs import JobShape
from services.api.schemas.pieces import Changing, Flag, listing, moment, page_of, text, whole
from services.common.contracts.states import VolumeState

LARGEST_GIB = 65536


class VolumeAsked(Schema):
    """A new volume for a vm (size_gib), or one that was kept (volume)."""

    name = text(grammar.object_name, help="Unique in the project; made up when left out")
    size_gib = whole(1, LARGEST_GIB, help="Of a new one")
    datastore = text(grammar.datastore, help="Of a new one: where it shall lie; left out: on the host's own disk")
    volume = text(help="The name or id of a detached volume to attach again")
    keep = Flag(metadata={"description": "It outlives its vm. Default: true for one that was kept, else false"})


class VolumeGrown(Schema):
    """How large a volume shall be."""

    size_gib = whole(1, LARGEST_GIB, required=True, help="Larger than it is: a volume never shrinks")


class Detaching(Changing):
    """The query of taking a volume off."""

    keep = fields.Boolean(
        load_default=False,
        metadata={"description": "Keep it, to be attached again; else it is removed with all that is on it"},
    )


class VolumeShape(Schema):
    """A volume."""

    id = fields.String()
    name = fields.String()
    project = fields.String()
    state = fields.String(validate=validate.OneOf([str(s) for s in VolumeState]))
    size_gib = fields.Integer()
    wanted_gib = fields.Integer(metadata={"description": "Its size once its job is done"})
    vm = fields.String(allow_none=True, metadata={"description": "The id of the vm it is plugged into"})
    keep = fields.Boolean()
    serial = fields.String(metadata={"description": "What the guest sees as the disk's serial number"})
    host = fields.String(metadata={"description": "Where it lies; masked for non-admins"})
    datastore = fields.String(metadata={"description": "Which of its host's; \"\": on the host's own disk"})
    created_at = moment("Asked for at")
    updated_at = moment("Changed at")
    etag = fields.String()


class VolumeAndJob(Schema):
    """What a change of a volume answers."""

    volume = fields.Nested(VolumeShape())
    job = fields.Nested(JobShape())
    dry_run = fields.Boolean(metadata={"description": "Only with ?dry_run=true"})


VOLUME_LIST = listing(
    "Volumes",
    ("name", "created_at", "state"),
    "-created_at",
    state=fields.String(validate=validate.OneOf([str(s) for s in VolumeState])),
    name=fields.String(metadata={"description": "Exactly this name"}),
    vm=fields.String(metadata={"description": "Plugged into the vm of this id"}),
    deleted=fields.Boolean(load_default=False, metadata={"description": "Deleted ones instead"}),
)
VOLUME_PAGE = page_of(VolumeShape)
