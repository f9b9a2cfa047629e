# SPDX-License-Identifier: Apache-2.0
"""Hosts, and the question where a vm would be placed."""

from typing import Any

from marshmallow import Schema, fields, validate

from services.api import grammar
from services.api.schemas.jobs import JobShape
from services.api.schemas.pieces import driver, labels, listing, moment, page_of, text, whole
from services.api.schemas.volumes import LARGEST_GIB
from services.common.contracts.data_disks import MOST
from services.common.contracts.states import HostState
from services.common.contracts.tariff import HOURS
from services.common.contracts.waking import WAYS


def price(**options: Any) -> fields.Float:
    """What a kWh costs."""
    told = {"description": "Price of a kWh of its energy, in any currency"}
    return fields.Float(allow_none=True, validate=validate.Range(0, 1000), metadata=told, **options)


class Tariff(Schema):
    """Prices by the hour of the day."""

    time_zone = text(grammar.timezone, required=True)
    prices = fields.List(
        fields.Float(validate=validate.Range(0, 1000)),
        required=True,
        validate=validate.Length(equal=HOURS, error="a tariff has {equal} prices -> give each hour's, from midnight"),
        metadata={"description": "Of a kWh in each hour of the day, the first from midnight"},
    )


def tariff(**options: Any) -> fields.Nested:
    """What a kWh costs by the hour."""
    told = {"description": "Goes before price_kwh; null: none"}
    return fields.Nested(Tariff(), allow_none=True, metadata=told, **options)


class HostAsked(Schema):
    """A host to be registered."""

    name = text(grammar.object_name, required=True)
    driver = driver(required=True)
    zone = text(grammar.word, load_default=None, allow_none=True)
    rack = text(grammar.word, load_default=None, allow_none=True)
    price_kwh = price(load_default=None)
    tariff = tariff(load_default=None)
    traits = fields.List(fields.String(validate=grammar.word), validate=validate.Length(max=64), load_default=list)
    labels = labels(load_default=dict)
    power_curve = fields.List(
        fields.Float(validate=validate.Range(0, 100_000)),
        load_default=list,
        metadata={"description": "Watts at 0, 10, ... 100 % CPU: eleven figures"},
    )


class HostChanges(Schema):
    """What of a host can be changed."""

    zone = text(grammar.word, allow_none=True)
    rack = text(grammar.word, allow_none=True)
    price_kwh = price()
    tariff = tariff()
    traits = fields.List(fields.String(validate=grammar.word), validate=validate.Length(max=64))
    labels = labels()
    power_curve = fields.List(fields.Float(validate=validate.Range(0, 100_000)))


class DatastoreShape(Schema):
    """A place for volumes that a host has beside its own disk."""

    name = fields.String(metadata={"description": "Others may have one of the same name"})
    kind = fields.String(metadata={"description": "directory, filesystem, nfs, lvm, vmfs; or as its hypervisor says"})
    size_gib = fields.Integer(metadata={"description": "0: its host tells it no more, and nothing new lies there"})
    used_gib = fields.Integer(metadata={"description": "What volumes hold there"})
    grows = fields.Boolean(metadata={"description": "Whether volumes on it can be made larger"})


class HostShape(Schema):
    """A host that runs vms. `used_*` is what claims hold."""

    id = fields.String()
    name = fields.String(metadata={"description": "Masked for non-admins"})
    driver = fields.String()
    state = fields.String(validate=validate.OneOf([str(s) for s in HostState]))
    zone = fields.String()
    rack = fields.String()
    price_kwh = fields.Float(allow_none=True)
    tariff = fields.Nested(Tariff(), allow_none=True)
    price_now = fields.Float(allow_none=True, metadata={"description": "By the tariff, else price_kwh"})
    traits = fields.List(fields.String())
    labels = fields.Dict()
    accelerator = fields.String()
    vcpus = fields.Integer()
    memory_mib = fields.Integer()
    disk_gib = fields.Integer()
    used_vcpus = fields.Integer()
    used_memory_mib = fields.Integer()
    used_disk_gib = fields.Integer()
    used = fields.Dict(metadata={"description": "vcpus, memory_mib, disk_gib and vms, held by claims"})
    vms = fields.Integer()
    datastores = fields.List(fields.Nested(DatastoreShape()), metadata={"description": "For volumes, by name"})
    cpu_percent = fields.Float(allow_none=True)
    memory_used_mib = fields.Integer(allow_none=True)
    disk_used_gib = fields.Float(allow_none=True)
    watts = fields.Float(allow_none=True)
    watts_source = fields.String(metadata={"description": "redfish, ipmi, rapl; or curve: estimated from CPU load"})
    power_curve = fields.List(fields.Float())
    wake_by = fields.List(
        fields.String(validate=validate.OneOf(WAYS)),
        metadata={"description": "How it can be woken, as its agent tells, the best way first; none: it never sleeps"},
    )
    heartbeat_age_s = fields.Float(allow_none=True)
    created_at = moment("Registered at")
    etag = fields.String()


class Enrolment(Schema):
    """A new host, and what its agent needs: shown this once."""

    host = fields.Nested(HostShape())
    agent = fields.Dict(metadata={"description": "The agent's configuration; holds a password"})
    dry_run = fields.Boolean()


class HostAndJob(Schema):
    """What putting a host to sleep, or waking it, answers."""

    host = fields.Nested(HostShape())
    job = fields.Nested(JobShape())
    dry_run = fields.Boolean(metadata={"description": "Only with ?dry_run=true"})


class Capabilities(Schema):
    """What a host can do."""

    driver = fields.String()
    version = fields.String()
    capabilities = fields.List(fields.String())
    traits = fields.List(fields.String())
    accelerator = fields.String()


class VmPowerShape(Schema):
    """One vm's part of its host's watts."""

    id = fields.String()
    name = fields.String()
    vcpus = fields.Integer()
    cores = fields.Float(allow_none=True, metadata={"description": "Kept busy, as measured; null: not measured"})
    watts = fields.Float()
    idle_watts = fields.Float(metadata={"description": "Its part of what the host draws when idle, by claimed vcpus"})
    dynamic_watts = fields.Float(metadata={"description": "Its part of the rest, by CPU time, else by claimed vcpus"})
    cost_per_h = fields.Float(allow_none=True)


class HostPowerShape(Schema):
    """What a host draws, and whose it is: the vms' watts sum to the host's."""

    host = fields.String()
    name = fields.String()
    watts = fields.Float(allow_none=True, metadata={"description": "null: nothing heard of it for a minute"})
    source = fields.String(metadata={"description": "redfish, ipmi, rapl, or curve: estimated from CPU load"})
    age_s = fields.Float(allow_none=True)
    idle_watts = fields.Float()
    price_kwh = fields.Float(allow_none=True)
    cost_per_h = fields.Float(allow_none=True)
    vms = fields.List(fields.Nested(VmPowerShape()))


class Consolidate(Schema):
    """How far a plan may go."""

    moves = whole(1, 1000, required=True)
    policy = text(load_default="")


class MoveShape(Schema):
    """One vm that would move."""

    vm = fields.String()
    vm_name = fields.String()
    target = fields.String()
    target_name = fields.String()


class EmptiedShape(Schema):
    """A host that would be empty, and could sleep."""

    host = fields.String()
    host_name = fields.String()
    watts_saved = fields.Float(metadata={"description": "Once it sleeps, by power curves and claims"})
    moves = fields.List(fields.Nested(MoveShape()))


class KeptShape(Schema):
    """A host that would keep its vms."""

    host = fields.String()
    host_name = fields.String()
    reason = fields.String(metadata={"description": "Goes on after its name"})


class MovesBudget(Schema):
    """The moves of an hour."""

    per_hour = fields.Integer(metadata={"description": "By the policy; 0: any number"})
    taken = fields.Integer(metadata={"description": "Handed out within the last hour"})
    left = fields.Integer(allow_none=True, metadata={"description": "null: any number"})


class ConsolidationPlan(Schema):
    """Moves that would save watts. Nothing is moved by Innkeeper itself."""

    emptied = fields.List(fields.Nested(EmptiedShape()))
    kept = fields.List(fields.Nested(KeptShape()), metadata={"description": "At most 100, the thirstiest first"})
    budget = fields.Nested(MovesBudget())
    dry_run = fields.Boolean(metadata={"description": "Only with ?dry_run=true"})
    moves = fields.Integer(metadata={"description": "In all"})
    watts_saved = fields.Float()
    policy = fields.String()
    policy_sha = fields.String()


class VolumeWanted(Schema):
    """A new volume that the vm would be made with."""

    size_gib = whole(1, LARGEST_GIB, required=True)
    datastore = text(grammar.datastore, help="Left out: on the host's own disk")


class Explain(Schema):
    """A vm one might want."""

    flavor = text()
    vcpus = whole(1, 4096)
    memory_mib = whole(1, 64 * 1024 * 1024)
    disk_gib = whole(0, 1024 * 1024)
    os = text(load_default="")
    hypervisor = text(load_default="")
    zone = text(load_default="")
    traits = fields.List(fields.String(), validate=validate.Length(max=64), load_default=list)
    labels = labels(load_default=dict)
    volumes = fields.List(fields.Nested(VolumeWanted()), validate=validate.Length(max=MOST), load_default=list)
    policy = text(load_default="")
    why_not = text(allow_none=True, load_default=None, help="A host: say why it is not chosen")


class Explanation(Schema):
    """The decision and everything that led to it."""

    host = fields.String(metadata={"description": 'The chosen host, "" where none can take it'})
    policy = fields.String()
    policy_sha = fields.String()
    generation = fields.Integer()
    request = fields.Dict()
    candidates = fields.List(fields.Dict())
    filters = fields.List(fields.Dict())
    misses = fields.List(fields.Dict())
    relaxations = fields.List(fields.Dict())
    watts = fields.Float(allow_none=True)
    hosts = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Admins only: the names of the hosts above, by id"},
    )


HOST_LIST = listing(
    "Hosts",
    ("name", "created_at", "state"),
    "name",
    state=fields.String(validate=validate.OneOf([str(s) for s in HostState])),
)
HOST_PAGE = page_of(HostShape)
