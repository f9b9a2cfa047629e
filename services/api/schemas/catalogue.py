# SPDX-License-Identifier: Apache-2.0
"""Operating systems, flavors and networks."""

from typing import Any

from marshmallow import Schema, fields, validate

from services.api import grammar
from services.api.schemas.pieces import Flag, listing, moment, page_of, text, whole
from services.common.contracts.network import NetworkKind


class OsShape(Schema):
    """An operating system vms can have."""

    name = fields.String()
    display_name = fields.String()
    family = fields.String()
    version = fields.String()
    arch = fields.String()
    min_memory_mib = fields.Integer()
    min_disk_gib = fields.Integer()
    delivery = fields.String()
    guest_agent = fields.Boolean()
    default_user = fields.String()
    eol = fields.String()
    available = fields.Boolean(metadata={"description": "False: import its media first"})
    installable = fields.Boolean(metadata={"description": "False: its answer files can be previewed, no vm made"})


class FlavorAsked(Schema):
    """A size to be made."""

    name = text(grammar.object_name, required=True)
    vcpus = whole(1, 256, required=True)
    memory_mib = whole(64, 4 * 1024 * 1024, required=True)
    disk_gib = whole(1, 65536, required=True)


class FlavorShape(Schema):
    """A size a vm can have."""

    id = fields.String()
    name = fields.String()
    vcpus = fields.Integer()
    memory_mib = fields.Integer()
    disk_gib = fields.Integer()
    created_at = moment("Made at")
    etag = fields.String()


class RangeAsked(Schema):
    """Addresses given to cards that ask for a static one and don't say which."""

    start = text(required=True)
    end = text(required=True, help="The last one, included")


class ReservationAsked(Schema):
    """An address that is one card's, or the first card's of one vm."""

    address = text(required=True)
    mac = text(grammar.multicast_free, load_default="")
    name = text(grammar.vm_name, load_default="", help="A vm's name; not in shared networks")


def _ranges(**more: Any) -> "fields.List[Any]":
    return fields.List(fields.Nested(RangeAsked()), validate=validate.Length(max=64), **more)


def _reservations(**more: Any) -> "fields.List[Any]":
    return fields.List(fields.Nested(ReservationAsked()), validate=validate.Length(max=1024), **more)


class NetworkChanges(Schema):
    """What of a network can be changed while vms are on it."""

    ranges = _ranges()
    reservations = _reservations()


class NetworkAsked(Schema):
    """A network to be made."""

    name = text(grammar.object_name, required=True)
    kind = fields.String(
        required=True,
        validate=validate.OneOf(
            (NetworkKind.NAT, NetworkKind.ISOLATED, NetworkKind.BRIDGE),
            error="{input!r} is unknown -> nat, isolated or bridge",
        ),
    )
    cidr = text(load_default="", help='Like "10.80.0.0/24"; needed by nat and isolated')
    gateway = text(load_default="", help="The host's address on it; needed by nat")
    dhcp_start = text(load_default="")
    dhcp_end = text(load_default="")
    dns = fields.List(fields.String(), validate=validate.Length(max=8), load_default=list)
    bridge = text(grammar.interface_name, load_default=None, allow_none=True, help="kind bridge: its name on the hosts")
    mtu = whole(576, 9216, load_default=None, allow_none=True)
    ranges = _ranges(load_default=list)
    reservations = _reservations(load_default=list)
    vlan = whole(1, 4094, load_default=None, allow_none=True, help="kind bridge: the tag of its frames on the bridge")
    anti_spoof = Flag(load_default=False, metadata={"description": "Guests send from their own MAC and addresses only"})
    shared = fields.Boolean(load_default=False, metadata={"description": "For every project (admins)"})


class NetworkShape(Schema):
    """A network vms can be plugged into."""

    id = fields.String()
    name = fields.String()
    project = fields.String(allow_none=True, metadata={"description": "null: every project may use it"})
    kind = fields.String()
    cidr = fields.String()
    gateway = fields.String()
    dhcp_start = fields.String()
    dhcp_end = fields.String()
    dns = fields.List(fields.String())
    bridge = fields.String()
    mtu = fields.Integer()
    ranges = fields.List(fields.Nested(RangeAsked()))
    reservations = fields.List(fields.Nested(ReservationAsked()))
    vlan = fields.Integer(metadata={"description": "0: none"})
    anti_spoof = fields.Boolean()
    addresses_used = fields.Integer(metadata={"description": "Static addresses given to vms"})
    created_at = moment("Made at")
    etag = fields.String()


OS_PAGE = page_of(OsShape)
FLAVOR_LIST = listing("Flavors", ("name", "created_at"), "name")
FLAVOR_PAGE = page_of(FlavorShape)
NETWORK_LIST = listing("Networks", ("name", "created_at"), "name")
NETWORK_PAGE = page_of(NetworkShape)
