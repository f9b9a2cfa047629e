# SPDX-License-Identifier: Apache-2.0
"""Who may in: whoever has an API token of ours, in the token's project."""

import time

from flask import g, request
from sqlalchemy.orm import Session

from services.api import identity, sessions
from services.api.access import Role, demand
from services.api.call import Call
from services.api.handlers.auth import prove
from services.api.parts import Parts
from services.common.contracts.errors import Unauthenticated
from services.common.store.models import ApiToken

# How exactly the last use of a token is kept; otherwise each request would be a change.
_USED_S = 60


def admitted(parts: Parts, role: Role) -> Call:
    """The request of somebody with this role in the token's project; raises Unauthenticated or Forbidden."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("send Authorization: Bearer and an API token; POST /v1/tokens makes one")
    call = Call(parts, {}, time.time(), g.trace_id, address=request.remote_addr or "", headers=request.headers)
    call.body = {"api_token": secret.strip()}
    proven = prove(call)
    with parts.database.read() as db:
        token = _token(db, proven.token_id)
        claims = sessions.begun(proven.user_id, proven.epoch, token)
    with parts.database.look() as connection:
        call.caller, call.place = identity.who_and_where(connection, claims, "")
    if (token.last_used_at or 0.0) < call.now - _USED_S:
        with parts.database.write() as db:
            _token(db, token.id).last_used_at = call.now
    g.caller, g.place = call.caller, call.place
    g.budget = parts.limits.request(call.who.id)
    demand(call.who.rank_in(call.project), role)
    call.body = {}
    return call


def _token(db: Session, token_id: str) -> ApiToken:
    found = db.get(ApiToken, token_id)
    if found is None:
        raise Unauthenticated("the API token was deleted")
    return found
