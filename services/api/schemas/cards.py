# SPDX-License-Identifier: Apache-2.0
"""Cards that come and go."""

from marshmallow import Schema, fields

from services.api import grammar
from services.api.schemas.jobs import JobShape
from services.api.schemas.links import LinkAsked, NicShape
from services.api.schemas.pieces import page_of, text
from services.api.schemas.vms import VmShape


class CardAsked(LinkAsked):
    """A further card for a vm."""

    network = text(required=True, help="A network's name or id")
    mac = text(grammar.multicast_free, help="The first of the vm's own that is free when left out")
    name = text(grammar.link_name, help="What it is called in the guest; eth1, eth2, ... when left out")


class NicAndJob(Schema):
    """What a change of a vm's cards answers."""

    nic = fields.Nested(NicShape())
    vm = fields.Nested(VmShape())
    job = fields.Nested(JobShape())
    guest = fields.String(metadata={"description": "What is left for the guest to do; only of a card that comes"})
    dry_run = fields.Boolean(metadata={"description": "Only with ?dry_run=true"})


NIC_PAGE = page_of(NicShape)
