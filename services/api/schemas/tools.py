# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor's own program in a guest says, as it is shown."""

from marshmallow import Schema, fields

from services.api.schemas.pieces import moment


class ToolsLinkShape(Schema):
    """A card and its addresses, with their prefix lengths where these are told."""

    mac = fields.String()
    addresses = fields.List(fields.String())


class ToolsShape(Schema):
    """What VMware Tools say of a guest."""

    running = fields.Boolean(metadata={"description": "Whether they run in it; if not, nothing else is said"})
    hostname = fields.String()
    os = fields.String()
    interfaces = fields.List(fields.Nested(ToolsLinkShape()))
    mismatches = fields.List(
        fields.String(),
        allow_none=True,
        metadata={"description": "Of the cards' addresses, what is not as asked for; null: it can't be told"},
    )
    since = moment("So since")
    at = moment("Last told at")
