# SPDX-License-Identifier: Apache-2.0
"""The audit's answer."""

from marshmallow import Schema, fields, validate

from services.api.schemas.pieces import moment
from services.common.store.surveys import PATIENCE_S

_KINDS = "On a host: vm, directory, disk, port, network, volume, snapshot. In the tables: claim, address, volume, room"


class AuditQuery(Schema):
    """How long hosts may take."""

    wait = fields.Float(
        load_default=PATIENCE_S,
        validate=validate.Range(0, 60, error="{input} is out of range -> 0 to 60 seconds"),
        metadata={"description": "Seconds that hosts are given for their answer"},
    )


class HostRead(Schema):
    """A host, and whether it could be read."""

    id = fields.String()
    name = fields.String()
    state = fields.String()
    read = fields.Boolean()
    note = fields.String(metadata={"description": "Why it could not be read, or not whole"})
    things = fields.Integer(metadata={"description": "How many things it told of"})


class OrphanShape(Schema):
    """Something that nobody owns."""

    kind = fields.String(metadata={"description": _KINDS})
    name = fields.String()
    host = fields.String(metadata={"description": 'Where it is, "" where it is on none'})
    vm = fields.String(allow_none=True, metadata={"description": "Whose it says it is"})
    reason = fields.String()


class AuditShape(Schema):
    """What nobody owns."""

    at = moment("Asked at")
    complete = fields.Boolean(metadata={"description": "Whether every host could be read"})
    hosts = fields.List(fields.Nested(HostRead()))
    orphans = fields.List(fields.Nested(OrphanShape()))
