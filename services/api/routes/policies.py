# SPDX-License-Identifier: Apache-2.0
"""How hosts are chosen, and how each was: policies belong to nobody's project, decisions to their vm's."""

from functools import partial

from marshmallow import Schema

from services.api.access import Role
from services.api.handlers import decisions, policies, simulations
from services.api.route import Handler, Route
from services.api.schemas import policies as p
from services.api.schemas import simulations as s
from services.api.schemas.pieces import Changing, Reading

USER, VIEWER, ADMIN = Role.USER, Role.VIEWER, Role.ADMIN
READ, CHANGE = Reading(), Changing()
_Route = partial(Route, project=False)


def _question(path: str, handler: Handler, answer: Schema, body: Schema) -> Route:
    """One that only the scheduler can answer; nothing is stored."""
    return _Route("POST", path, handler, ADMIN, answer, body, reads_only=True, streams=True, idempotent=False)


POLICY_ROUTES: tuple[Route, ...] = (
    _Route("GET", "/v1/policies", policies.listing, USER, p.POLICY_PAGE, query=p.POLICY_LIST),
    _Route(
        "POST", "/v1/policies", policies.add, ADMIN, p.PolicyShape(), p.PolicyText(), CHANGE, 201, prepare=policies.read
    ),
    _question("/v1/policies:validate", policies.validate, p.Verdict(), p.PolicyText()),
    _question("/v1/policies:simulate", simulations.simulate, s.Simulation(), s.Simulate()),
    _question("/v1/policies:what-fits", simulations.what_fits, s.Room(), s.WhatFits()),
    _Route("POST", "/v1/policies:rollback", policies.rollback, ADMIN, p.ActivationShape(), query=CHANGE),
    _Route("GET", "/v1/policies:history", policies.history, USER, p.ACTIVATION_PAGE, query=p.ACTIVATION_LIST),
    _Route("GET", "/v1/policies/{policy_id}", policies.get, USER, p.PolicyShape(), query=READ),
    _Route(
        "POST",
        "/v1/policies/{policy_id}/activate",
        policies.activate,
        ADMIN,
        p.ActivationShape(),
        p.Activating(),
        CHANGE,
        prepare=policies.could_stand,
    ),
    _Route(
        "POST", "/v1/policies/{policy_id}/deactivate", policies.deactivate, ADMIN, p.ActivationShape(), query=CHANGE
    ),
    Route("GET", "/v1/decisions", decisions.listing, VIEWER, p.DECISION_PAGE, query=p.DECISION_LIST),
    Route("GET", "/v1/decisions/{decision_id}", decisions.get, VIEWER, p.DecisionShape(), query=READ),
    Route(
        "POST",
        "/v1/decisions/{decision_id}/replay",
        decisions.replay,
        ADMIN,
        p.Replay(),
        reads_only=True,
        streams=True,
        idempotent=False,
    ),
)
