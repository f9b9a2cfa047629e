# SPDX-License-Identifier: Apache-2.0
"""Placement policies: their versions, which one is in force, and the decisions that were made by them."""

from marshmallow import Schema, fields, validate

from services.api.schemas.hosts import Explanation
from services.api.schemas.pieces import Problem, listing, moment, page_of, text

MOST = 64 * 1024


class PolicyText(Schema):
    """A policy as it is written."""

    text = text(required=True, most=MOST, help="YAML, see docs/scheduling.md; its metadata has name and version")


class PolicyShape(Schema):
    """One version of a policy; it never changes."""

    id = fields.String()
    name = fields.String()
    version = fields.Integer()
    sha256 = fields.String(metadata={"description": "Of the text; decisions refer to it"})
    shipped = fields.Boolean()
    matched = fields.Boolean(metadata={"description": "It says for which vms it is, and stands beside others"})
    keep_s = fields.Float(metadata={"description": "How long its decisions are kept"})
    active = fields.Boolean(metadata={"description": "Whether it decides now, for the vms that name no policy"})
    canary_percent = fields.Float(metadata={"description": "The share of vms it decides for beside the active one"})
    created_by = fields.String(metadata={"description": "A user's id; empty: it came with the platform, or a file"})
    created_at = moment("Stored at")
    text = fields.String(allow_none=True, metadata={"description": "Admins only, of one policy"})
    etag = fields.String()


class PolicyProblem(Problem):
    """One thing that is wrong in a policy's text."""

    pointer = fields.String(metadata={"description": "Into the YAML, like /weighers/0/type"})
    line = fields.Integer(allow_none=True, metadata={"description": "From 1; null: the text as a whole"})
    column = fields.Integer(allow_none=True)


class Verdict(Schema):
    """Whether a text is a policy that the scheduler can use."""

    valid = fields.Boolean()
    name = fields.String()
    version = fields.Integer()
    sha256 = fields.String()
    matched = fields.Boolean()
    keep_s = fields.Float(metadata={"description": "How long its decisions are kept"})
    warnings = fields.List(fields.String(), metadata={"description": "What is doubtful among the hosts there are now"})
    errors = fields.List(fields.Nested(PolicyProblem))


class Activating(Schema):
    """How much a version shall decide."""

    canary_percent = fields.Float(
        load_default=100.0,
        validate=validate.Range(0.01, 100, error="{input} is out of range -> 0.01 to 100"),
        metadata={"description": "100: for every vm; less: for that share, beside the active one"},
    )


class ActivationShape(Schema):
    """A move of the pointer to what is in force."""

    id = fields.String()
    seq = fields.Integer(metadata={"description": "Without gaps; the greatest is in force"})
    kind = fields.String(metadata={"description": "start, file, activate or rollback"})
    policy = fields.String()
    version = fields.Integer()
    policy_id = fields.String()
    canary = fields.String(metadata={"description": "Its name, empty: none"})
    canary_version = fields.Integer(allow_none=True)
    canary_id = fields.String(allow_none=True)
    canary_percent = fields.Float()
    beside = fields.List(fields.String(), metadata={"description": "Those that decide for the vms they match"})
    restores = fields.Integer(allow_none=True, metadata={"description": "The seq that a rollback went back to"})
    by = fields.String()
    at = moment("Moved at")
    problem = fields.String(metadata={"description": "Why a scheduler can't use it; what it ran before goes on"})
    dry_run = fields.Boolean()


class DecisionShape(Schema):
    """A placement as it was decided: what is known of it, and the whole explanation."""

    id = fields.String()
    project = fields.String()
    job = fields.String()
    vm = fields.String()
    host = fields.String(metadata={"description": "Masked for non-admins; empty: none could take the vm"})
    policy = fields.String()
    policy_sha = fields.String()
    generation = fields.Integer()
    created_at = moment("Decided at")
    explanation = fields.Nested(Explanation(), allow_none=True, metadata={"description": "Of one decision"})


class Replay(Schema):
    """A decision, decided again as far as its ground is kept."""

    policy = fields.String()
    policy_sha = fields.String()
    host = fields.String()
    same = fields.Boolean(
        allow_none=True, metadata={"description": "To the last bit; null: nothing of it could be decided again"}
    )
    checked = fields.List(fields.String(), metadata={"description": "What was worked out anew"})
    differs = fields.List(fields.String())
    open = fields.List(fields.String(), metadata={"description": "What could not be looked at, since it isn't kept"})


POLICY_LIST = listing(
    "Policies",
    ("name", "created_at"),
    "name",
    name=fields.String(metadata={"description": "Versions of this policy"}),
)
POLICY_PAGE = page_of(PolicyShape)
ACTIVATION_LIST = listing("Activations", ("created_at",), "-created_at")
ACTIVATION_PAGE = page_of(ActivationShape)
DECISION_LIST = listing(
    "Decisions",
    ("job",),
    "-job",
    vm=fields.String(metadata={"description": "Of this vm's id"}),
    job=fields.String(metadata={"description": "Of this job's id"}),
)
DECISION_PAGE = page_of(DecisionShape)
