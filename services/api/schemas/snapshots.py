# SPDX-License-Identifier: Apache-2.0
"""Snapshots as asked for and as shown."""

from marshmallow import Schema, fields

from services.api import grammar
from services.api.schemas.pieces import Flag, listing, moment, page_of, text
from services.api.schemas.vms import VmAndJob


class SnapshotAsked(Schema):
    """A snapshot to be taken."""

    name = text(grammar.object_name, required=True, help="Unique among the vm's snapshots")
    memory = Flag(
        load_default=None,
        allow_none=True,
        metadata={"description": "Of a vm that runs: with its memory, and a revert lets it go on. Default: if it can"},
    )


class SnapshotShape(Schema):
    """A snapshot."""

    id = fields.String()
    vm = fields.String()
    name = fields.String()
    parent = fields.String(allow_none=True, metadata={"description": "The snapshot that the vm came from then"})
    current = fields.Boolean(metadata={"description": "The vm's present state comes from this one"})
    state = fields.String(metadata={"description": "taking, available"})
    memory = fields.Boolean()
    vcpus = fields.Integer()
    memory_mib = fields.Integer()
    created_at = moment("Asked for at")


class SnapshotAndJob(VmAndJob):
    """A snapshot that is being taken, its vm, and the job that takes it."""

    snapshot = fields.Nested(SnapshotShape())


SNAPSHOT_LIST = listing("Snapshots", ("name", "created_at"), "created_at")
SNAPSHOT_PAGE = page_of(SnapshotShape)
