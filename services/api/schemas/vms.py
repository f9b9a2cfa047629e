# SPDX-License-Identifier: Apache-2.0
"""Vms as asked for and as shown."""

from marshmallow import Schema, fields, validate

from services.api import grammar
from services.api.certificates import Certificate
from services.api.schemas.drift import DriftShape
from services.api.schemas.jobs import JobShape
from services.api.schemas.links import BondAsked, BondShape, NicAsked, NicShape, VlanAsked, VlanShape
from services.api.schemas.pieces import Changing, Flag, driver, labels, listing, moment, page_of, text, whole
from services.api.schemas.tools import ToolsShape
from services.api.schemas.volumes import VolumeAsked, VolumeShape
from services.common.contracts.data_disks import MOST
from services.common.contracts.states import VmState
from services.common.contracts.vm import Firmware, Layout

LAYOUTS = (Layout.WHOLE, Layout.LVM, Layout.HOME)
FIRMWARES = (Firmware.BIOS, Firmware.UEFI)


class UserAsked(Schema):
    """A login in the guest."""

    name = text(grammar.user_name, required=True)
    ssh_keys = fields.List(fields.String(validate=grammar.ssh_key), validate=validate.Length(max=32), load_default=list)
    password = fields.String(
        validate=grammar.password, load_only=True, metadata={"description": "Goes in and never comes out"}
    )
    sudo = Flag(load_default=True)


class RepositoryAsked(Schema):
    """A further source of packages."""

    name = text(grammar.repository, required=True)
    url = text(grammar.guest_url, required=True, most=1024)
    signed_by = fields.String(
        required=True,
        validate=grammar.public_key,
        metadata={"description": "An OpenPGP public key, armoured; for apk an RSA public key in PEM"},
    )
    suite = text(grammar.suite, load_default="", help="apt's alone")
    components = fields.List(
        fields.String(validate=grammar.component), validate=validate.Length(max=8), load_default=list
    )
    key_name = text(grammar.key_name, load_default="", help="apk's alone: the key's file name, which signatures name")


class VmAsked(Schema):
    """A vm to be made."""

    name = text(grammar.vm_name, required=True, help="Unique in the project")
    os = text(required=True, help="An entry of GET /v1/os")
    flavor = text(help="A size of GET /v1/flavors; or vcpus, memory_mib and disk_gib")
    vcpus = whole(1, 256)
    memory_mib = whole(64, 4 * 1024 * 1024)
    disk_gib = whole(1, 65536)
    networks = fields.List(fields.Nested(NicAsked()), validate=validate.Length(max=16))
    bonds = fields.List(fields.Nested(BondAsked()), validate=validate.Length(max=8), load_default=list)
    vlans = fields.List(fields.Nested(VlanAsked()), validate=validate.Length(max=64), load_default=list)
    volumes = fields.List(
        fields.Nested(VolumeAsked()),
        validate=validate.Length(max=MOST, error="a vm has at most {max} volumes -> leave some out"),
        load_default=list,
        metadata={"description": "In it at its first boot: new ones, or such as were kept; it goes to their host"},
    )
    hostname = text(grammar.hostname, help="Default: the name")
    domain = text(grammar.domain, load_default="")
    locale = text(grammar.locale, load_default="en_US.UTF-8")
    keyboard = text(grammar.keyboard, load_default="us")
    timezone = text(grammar.timezone, load_default="Etc/UTC")
    users = fields.List(fields.Nested(UserAsked()), validate=validate.Length(max=64), load_default=list)
    packages = fields.List(
        fields.String(validate=grammar.package), validate=validate.Length(max=256), load_default=list
    )
    layout = fields.String(
        load_default=Layout.WHOLE,
        validate=validate.OneOf(LAYOUTS, error="{input!r} is unknown -> whole, lvm or home"),
        metadata={"description": "The first disk: one file system, a volume group, or /home on its own"},
    )
    firmware = fields.String(
        validate=validate.OneOf(FIRMWARES, error="{input!r} is unknown -> bios or uefi"),
        metadata={"description": "What it boots by. Default: bios where the os has it, else uefi"},
    )
    mirror = text(grammar.guest_url, load_default="", most=1024, help="Where packages are installed from")
    proxy = text(grammar.guest_url, load_default="", most=1024, help="An HTTP proxy for packages")
    repositories = fields.List(fields.Nested(RepositoryAsked()), validate=validate.Length(max=8), load_default=list)
    ntp = fields.List(fields.String(validate=grammar.server), validate=validate.Length(max=8), load_default=list)
    ca_certificates = fields.List(Certificate(), validate=validate.Length(max=32), load_default=list)
    first_boot = fields.String(validate=grammar.first_boot, load_only=True, load_default="")
    labels = labels(load_default=dict)
    hypervisor = driver("", load_default="", metadata={"description": "Only hosts of this driver; empty: of any"})
    host = text(load_default="", help="Only this host, by name or id (admins)")
    zone = text(load_default="", help="Only hosts of this zone (admins)")
    traits = fields.List(fields.String(validate=grammar.word), validate=validate.Length(max=32), load_default=list)
    policy = text(load_default="", help="A placement policy (admins)")
    protect = Flag(load_default=False, metadata={"description": "Refuse to delete it"})
    guest_agent = Flag(load_default=True)


class VmChanges(Schema):
    """What of a vm can be changed in place."""

    labels = labels()
    protect = Flag()


class Deleting(Changing):
    """The query of a vm's removal."""

    keep_volumes = fields.Boolean(
        load_default=False, metadata={"description": "Its volumes stay, detached; else those go that aren't to be kept"}
    )


_WATTS = (
    "Its part of what its host draws; null while it has none, or nothing is heard of it. Of one vm alone, not in lists"
)
_WATTS_SOURCE = "How its host's watts are known: redfish, ipmi, rapl, or curve. Of one vm alone"
_VERBS = "What can be done with it now, by its state and by what its host can do. Of one vm alone, not in lists"
_CLONES = "Names of its linked clones, for which it stays off. Of one vm alone, not in lists"
_TOOLS = "What the hypervisor's own program in it says; null where there is none. Of one vm alone, not in lists"
_COST = "Of its watts, an hour; null where its host has no price. Of one vm alone"


class ResizeAsked(Schema):
    """Other sizes for a vm; its disks stay as they are."""

    flavor = text(help="A size of GET /v1/flavors, whose disk is left aside; or vcpus, memory_mib or both")
    vcpus = whole(1, 256)
    memory_mib = whole(64, 4 * 1024 * 1024)


class CloneAsked(Schema):
    """A vm with a copy of another one's disk: what it shall have of its own."""

    name = text(grammar.vm_name, required=True, help="Unique in the project")
    linked = Flag(
        load_default=False,
        metadata={"description": "It reads the disk of its source, which stays off and as it is meanwhile"},
    )
    hostname = text(grammar.hostname, help="Default: the name. Not for systems that were installed")
    flavor = text(help="A size of GET /v1/flavors; or any of vcpus, memory_mib and disk_gib. Default: as the source")
    vcpus = whole(1, 256)
    memory_mib = whole(64, 4 * 1024 * 1024)
    disk_gib = whole(1, 65536, help="Not less than the source has")
    networks = fields.List(
        fields.Nested(NicAsked()),
        validate=validate.Length(max=16),
        metadata={"description": "Default: the source's cards, with MACs and addresses of their own"},
    )
    labels = labels()
    protect = Flag(load_default=False, metadata={"description": "Refuse to delete it"})


class PendingShape(Schema):
    """What a vm has of its sizes now, and what it will have."""

    until = fields.String(metadata={"description": "power-off"})
    now = fields.Dict(keys=fields.String(), values=fields.Integer())
    then = fields.Dict(keys=fields.String(), values=fields.Integer())


class VmShape(Schema):
    """A vm."""

    id = fields.String()
    name = fields.String()
    project = fields.String()
    state = fields.String(validate=validate.OneOf([str(s) for s in VmState]))
    os = fields.String()
    flavor = fields.String()
    vcpus = fields.Integer()
    memory_mib = fields.Integer()
    disk_gib = fields.Integer()
    hostname = fields.String()
    domain = fields.String()
    locale = fields.String()
    keyboard = fields.String()
    timezone = fields.String()
    users = fields.List(fields.Dict())
    packages = fields.List(fields.String())
    nics = fields.List(fields.Nested(NicShape()))
    bonds = fields.List(fields.Nested(BondShape()))
    vlans = fields.List(fields.Nested(VlanShape()))
    layout = fields.String()
    firmware = fields.String()
    mirror = fields.String()
    proxy = fields.String()
    ntp = fields.List(fields.String())
    ca_certificates = fields.List(fields.String())
    repositories = fields.List(fields.Dict())
    hypervisor = fields.String()
    zone = fields.String()
    traits = fields.List(fields.String())
    guest_agent = fields.Boolean()
    labels = fields.Dict(keys=fields.String(), values=fields.String())
    protect = fields.Boolean()
    host = fields.String(metadata={"description": 'Its host, "" while it has none; masked for non-admins'})
    host_id = fields.String(metadata={"description": "Admins only"})
    power = fields.String(metadata={"description": "As its host last said: on, off, paused, crashed, absent"})
    drift = fields.Nested(
        DriftShape(), allow_none=True, metadata={"description": "Null while it is as it was asked to be"}
    )
    pending = fields.Nested(
        PendingShape(), allow_none=True, metadata={"description": "A resize that waits until the vm is off"}
    )
    source = fields.String(
        allow_none=True, metadata={"description": "The id of the vm it is a clone of, which may be gone; null: none"}
    )
    linked = fields.Boolean(metadata={"description": "It still reads the disk of its source"})
    clones = fields.List(fields.String(), metadata={"description": _CLONES})
    watts = fields.Float(allow_none=True, metadata={"description": _WATTS})
    watts_source = fields.String(metadata={"description": _WATTS_SOURCE})
    cost_per_h = fields.Float(allow_none=True, metadata={"description": _COST})
    job = fields.String(allow_none=True, metadata={"description": "Its one active job"})
    verbs = fields.List(fields.String(), metadata={"description": _VERBS})
    volumes = fields.List(
        fields.Nested(VolumeShape()), metadata={"description": "Those it has. Of one vm alone, not in lists"}
    )
    observed = fields.Dict(allow_none=True, metadata={"description": "Hostname, interfaces, routes, DNS from inside"})
    tools = fields.Nested(ToolsShape(), allow_none=True, metadata={"description": _TOOLS})
    addresses = fields.List(fields.String(), metadata={"description": "Seen from inside, with prefix length"})
    created_at = moment("Asked for at")
    updated_at = moment("Changed at")
    etag = fields.String()


class PreviewedFile(Schema):
    """A file as the guest would find it."""

    path = fields.String()
    text = fields.String()


class VmAndJob(Schema):
    """What a change of a vm answers."""

    vm = fields.Nested(VmShape())
    job = fields.Nested(JobShape())
    dry_run = fields.Boolean(metadata={"description": "Only with ?dry_run=true"})
    placement = fields.Dict(metadata={"description": "Only with ?dry_run=true: the chosen host and why"})
    expected_s = fields.Float(allow_none=True, metadata={"description": "Only with ?dry_run=true"})
    files = fields.List(
        fields.Nested(PreviewedFile()),
        allow_none=True,
        metadata={"description": "Only with ?dry_run=true: what the guest is set up by; null while nobody can tell"},
    )


class ImagePreview(Schema):
    """Everything a guest would be set up by; where a secret would stand there is a mask."""

    os = fields.String()
    files = fields.List(fields.Nested(PreviewedFile()))


VM_LIST = listing(
    "Vms",
    ("name", "created_at", "state"),
    "-created_at",
    state=fields.String(validate=validate.OneOf([str(s) for s in VmState])),
    name=fields.String(metadata={"description": "Exactly this name"}),
    os=fields.String(),
    host=fields.String(metadata={"description": "By name or id (admins)"}),
    label=text(grammar.label_filter, help="key=value", most=512),
    deleted=fields.Boolean(load_default=False, metadata={"description": "Deleted ones instead"}),
)
VM_PAGE = page_of(VmShape)
