# SPDX-License-Identifier: Apache-2.0
"""Drifts as they are shown."""

from marshmallow import Schema, fields, validate

from services.api.schemas.pieces import moment
from services.common.contracts.drift import Remedy


class DriftShape(Schema):
    """How a vm differs from what was asked for."""

    wanted = fields.String(metadata={"description": "The state it was in before"})
    power = fields.String(metadata={"description": "What its host saw: on, off, paused, crashed, absent"})
    since = moment("First seen at")
    at = moment("Last seen at")
    files = fields.Boolean(
        allow_none=True,
        metadata={"description": "Of a vm that is missing: whether its disks are still there; null: not told yet"},
    )
    job = fields.String(allow_none=True, metadata={"description": "The job that was sent to repair it"})
    can = fields.List(
        fields.String(validate=validate.OneOf([str(r) for r in Remedy])),
        metadata={"description": "What can be done about it now: POST /v1/vms/{id}/drift:adopt, :repair or :forget"},
    )


class DriftEntryShape(Schema):
    """One line of the journal of drifts."""

    id = fields.String()
    kind = fields.String(metadata={"description": "vm.drifted, vm.drift-ended, or vm.network-seen"})
    text = fields.String()
    at = moment("Seen at")
    data = fields.Dict(
        metadata={"description": "was, power, wanted, vm_state; at the end how, by and job; of a network mismatches"}
    )


class DriftJournal(Schema):
    """A vm's drift and its journal, the latest first."""

    vm = fields.String()
    drift = fields.Nested(DriftShape(), allow_none=True)
    items = fields.List(fields.Nested(DriftEntryShape()))
