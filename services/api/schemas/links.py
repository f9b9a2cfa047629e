# SPDX-License-Identifier: Apache-2.0
"""Links of a vm as asked for and as shown: cards, bonds of cards, and VLANs on either."""

from marshmallow import Schema, fields, validate

from services.api import grammar
from services.api.schemas.pieces import Flag, text, whole
from services.common.contracts.network import BondMode

METHODS = ("dhcp", "static", "none")
METHODS6 = ("dhcp", "slaac", "none")
MODES = (BondMode.ACTIVE_BACKUP, BondMode.LACP)


class RouteAsked(Schema):
    """A static route."""

    to = text(required=True, help='Target, like "198.51.100.0/24"; "0.0.0.0/0" is the default route')
    via = text(required=True, help="The router's address, on this link")
    metric = whole(0, 2**31 - 1, allow_none=True, load_default=None)


class LinkAsked(Schema):
    """How a link takes part in IP: the same for a card, a bond and a VLAN."""

    method = fields.String(
        validate=validate.OneOf(METHODS, error="{input!r} is unknown -> dhcp, static or none"),
        metadata={"description": "static where addresses are given, else dhcp where the network has it"},
    )
    method6 = fields.String(
        validate=validate.OneOf(METHODS6, error="{input!r} is unknown -> dhcp, slaac or none"),
        load_default="none",
        metadata={"description": "How it gets IPv6 addresses beside those given"},
    )
    addresses = fields.List(fields.String(), validate=validate.Length(max=16), load_default=list)
    gateway = text(allow_none=True, help="IPv4 or IPv6 router; null: none. Default: the network's")
    gateway6 = text(allow_none=True, help="IPv6 router, where gateway is the IPv4 one")
    default_route = Flag(
        load_default=True, metadata={"description": "false: no default route by this link, whatever DHCP says"}
    )
    routes = fields.List(fields.Nested(RouteAsked()), validate=validate.Length(max=64), load_default=list)
    dns = fields.List(fields.String(), validate=validate.Length(max=8))
    search = fields.List(fields.String(validate=grammar.domain), validate=validate.Length(max=8), load_default=list)
    mtu = whole(576, 9216)


class NicAsked(LinkAsked):
    """One card of the vm."""

    network = text(required=True, help='A network\'s name or id; "none" (alone in the list): no NIC at all')
    mac = text(grammar.multicast_free, help="Derived from the vm's id when left out")
    name = text(grammar.link_name, help="What it is called in the guest; eth0, eth1, ... when left out")
    bond = text(grammar.link_name, help="The name of the one of bonds that this card is in")
    vlan = whole(1, 4094, help="Its addresses are behind this tag (short for an entry of vlans)")


class BondAsked(LinkAsked):
    """Several cards as one link: those whose bond is this name."""

    name = text(grammar.link_name, required=True)
    mode = fields.String(
        load_default=BondMode.ACTIVE_BACKUP,
        validate=validate.OneOf(MODES, error=f"{{input!r}} is unknown -> {' or '.join(MODES)}"),
    )


class VlanAsked(LinkAsked):
    """A tagged link."""

    id = whole(1, 4094, required=True)
    over = text(required=True, help="What it is tagged on: a bond's name, a card's name (eth0) or its MAC")
    name = text(grammar.link_name, help="vlan20 for number 20 when left out")


class LinkShape(Schema):
    """What every link shows, as asked for."""

    name = fields.String(metadata={"description": "In the guest"})
    method = fields.String()
    method6 = fields.String()
    addresses = fields.List(fields.String())
    gateway = fields.String()
    gateway6 = fields.String()
    default_route = fields.Boolean()
    routes = fields.List(fields.Dict())
    dns = fields.List(fields.String())
    search = fields.List(fields.String())
    mtu = fields.Integer()


class NicShape(LinkShape):
    """One card, as asked for."""

    mac = fields.String()
    network = fields.String(metadata={"description": "The network's name"})
    network_id = fields.String()
    bond = fields.String(metadata={"description": 'The bond it is in, or ""'})


class BondShape(LinkShape):
    """One bond, as asked for."""

    mode = fields.String()
    members = fields.List(fields.String(), metadata={"description": "MACs of its cards"})


class VlanShape(LinkShape):
    """One VLAN, as asked for."""

    id = fields.Integer()
    over = fields.String(metadata={"description": "The name of the link it is tagged on"})
