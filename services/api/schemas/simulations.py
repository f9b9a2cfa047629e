# SPDX-License-Identifier: Apache-2.0
"""What a policy would have done, and what still fits."""

from marshmallow import Schema, fields, validate

from services.api.schemas.pieces import Flag, labels, text, whole
from services.api.schemas.policies import MOST

TRACE_MOST = 960 * 1024  # a body holds a MiB
DECISIONS_MOST = 10_000


class PolicyNamed(Schema):
    """A policy: its text, or which of the stored ones."""

    policy = text(load_default="", help="A stored one: name, name@version, or its sha256 (12 digits or more)")
    text = text(load_default="", most=MOST, help="YAML of a policy that need not be stored")


class Simulate(PolicyNamed):
    """A policy to try."""

    trace = text(load_default="", most=TRACE_MOST, help="Hosts and requests as lines of JSON; empty: what is recorded")
    days = fields.Float(
        load_default=30.0,
        validate=validate.Range(0, 3650, min_inclusive=False, error="{input} is out of range -> above 0, to 3650"),
        metadata={"description": "How far back what is recorded is taken"},
    )
    decisions = whole(1, DECISIONS_MOST, "At most so many of them, the latest", load_default=5000)
    picture = Flag(load_default=False, metadata={"description": "Answer with an SVG, too"})


class SizeShape(Schema):
    """What became of the requests of one size."""

    flavor = fields.String(metadata={"description": "Empty: no flavor has this size now"})
    vcpus = fields.Integer()
    memory_mib = fields.Integer()
    disk_gib = fields.Integer()
    asked = fields.Integer()
    refused = fields.Integer()
    moved = fields.Integer()


class OutcomeShape(Schema):
    """What came of one policy."""

    policy = fields.String(metadata={"description": "name@version"})
    placed = fields.Integer()
    refused = fields.Integer()
    moved = fields.Integer(metadata={"description": "Not where they were by what it is compared with"})
    hosts_used = fields.Integer()
    host_hours = fields.Float(metadata={"description": "Of hosts awake"})
    kwh = fields.Float()
    hot_host_hours = fields.Float(metadata={"description": "Of hosts above 85 % CPU"})
    wakes = fields.Integer()
    waited_s = fields.Float(metadata={"description": "By vms, for hosts that had to wake"})
    decision_p50_us = fields.Float(metadata={"description": "Without compiled code, beside other work"})
    decision_p99_us = fields.Float()
    sizes = fields.List(fields.Nested(SizeShape()), metadata={"description": "The 50 asked for most often"})


class MovedVm(Schema):
    """A vm that would be elsewhere."""

    vm = fields.String()
    before = fields.String()
    after = fields.String(metadata={"description": "Empty: it would be refused"})


class Timed(Schema):
    """How long the answer took."""

    took_s = fields.Float()
    limit_s = fields.Float(metadata={"description": "What takes longer is given up, and refused"})


class Simulation(Timed):
    """The policy in force beside the one that was asked about."""

    trace = fields.String(metadata={"description": "recorded or sent"})
    hosts = fields.Integer()
    vms = fields.Integer()
    policy_sha = fields.String(metadata={"description": "Of the one that was asked about"})
    compared_with = fields.String(metadata={"description": "recorded, or the policy in force"})
    outcomes = fields.List(fields.Nested(OutcomeShape()), metadata={"description": "The policy in force first"})
    moves = fields.List(
        fields.Nested(MovedVm()), metadata={"description": "The first 100 under the policy that was asked about"}
    )
    picture = fields.String(metadata={"description": "SVG; empty unless asked for"})


class WhatFits(PolicyNamed):
    """Under which policy (both empty: the one in force), and what such vms wish for besides their size."""

    hypervisor = text(load_default="")
    zone = text(load_default="")
    traits = fields.List(fields.String(), validate=validate.Length(max=64), load_default=list)
    labels = labels(load_default=dict)
    os = text(load_default="")


class FlavorFits(Schema):
    """How many more vms of one flavor, if only that one comes."""

    flavor = fields.String()
    vcpus = fields.Integer()
    memory_mib = fields.Integer()
    disk_gib = fields.Integer()
    count = fields.Integer()
    hosts = fields.Integer(metadata={"description": "That would take them"})
    stopped_by = fields.List(fields.String(), metadata={"description": "Filters that refuse the next one"})
    at_least = fields.Boolean(
        metadata={"description": "Counting stopped at its time limit; there may be room for more"}
    )


class Room(Timed):
    """What still fits, by flavor."""

    policy = fields.String(metadata={"description": "name@version"})
    policy_sha = fields.String()
    hosts = fields.Integer(metadata={"description": "That there are"})
    flavors = fields.List(fields.Nested(FlavorFits()))
