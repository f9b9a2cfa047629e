# SPDX-License-Identifier: Apache-2.0
"""API tokens: everybody's own, named, expiring, and never more than their user. Only a hash is kept."""

import secrets
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.api import etags, sessions
from services.api.access import Role
from services.api.call import Answer, Call
from services.api.handlers.auth import sha256
from services.api.paging import Order, chosen, listed
from services.api.views.accounts import api_token_view, tagged_api_token
from services.common.contracts.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.store.models import ApiToken, Project

ORDER = Order(ApiToken.id, {"name": ApiToken.name, "created_at": ApiToken.id})
# So that scanners of repositories and people know one when they see it.
PREFIX = "ink_"


def listing(call: Call, db: Session) -> dict[str, Any]:
    """The caller's API tokens, page by page, without their secrets."""
    statement = select(ApiToken).where(ApiToken.user_id == call.who.id)
    return listed(db, call, statement, ORDER, lambda rows: [api_token_view(row) for row in rows])


def get(call: Call, db: Session) -> dict[str, Any]:
    """One of the caller's API tokens, without its secret."""
    return chosen(tagged_api_token(_found(call, db)), call.query.get("fields"))


def create(call: Call, db: Session) -> Answer:
    """Make an API token for yourself. `token` is shown in this answer only."""
    sessions.demand_password(call.who)
    project = _project(call, db)
    _within_reach(call, project)
    _free(call, db)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        id=new_id(),
        user_id=call.who.id,
        project_id=project,
        name=call.body["name"],
        token_hash=sha256(secret),
        scopes=call.body["scopes"],
        expires_at=call.now + call.body["expires_in"],
        created_at=call.now,
    )
    db.add(token)
    db.flush()
    shown = tagged_api_token(token)
    if not call.dry_run:
        shown["token"] = secret
    return Answer(shown, 201, {"Location": f"/v1/tokens/{token.id}"})


def change(call: Call, db: Session) -> dict[str, Any]:
    """Give one of your API tokens another name."""
    sessions.demand_password(call.who)
    token = _found(call, db)
    etags.check(call.headers.get("If-Match", ""), tagged_api_token(token)["etag"], required=False)
    if call.body["name"] != token.name:
        _free(call, db)
    token.name = call.body["name"]
    db.flush()
    return tagged_api_token(token)


def remove(call: Call, db: Session) -> Answer:
    """Delete one of your API tokens; every session begun with it ends at once."""
    token = _found(call, db)
    sessions.demand_password(call.who)
    etags.check(call.headers.get("If-Match", ""), tagged_api_token(token)["etag"], required=False)
    sessions.end(db, token.id, call.now)
    db.delete(token)
    return Answer(status=204)


def _found(call: Call, db: Session) -> ApiToken:
    token = db.get(ApiToken, call.path["token_id"])
    if token is None or token.user_id != call.who.id:
        raise NotFound(f"you have no API token {call.path['token_id']}")
    return token


def _project(call: Call, db: Session) -> str | None:
    wanted = call.body.get("project")
    if wanted is None:
        return None
    for place in call.who.places:
        if wanted in (place.id, place.name):
            return place.id
    named = select(Project.id).where(or_(Project.id == wanted, Project.name == wanted))
    project = db.scalar(named) if call.who.rank >= Role.ADMIN else None
    if project is None:
        detail = f"you have no project {wanted!r}"
        raise Invalid(detail, [Problem("/project", detail, "one of GET /v1/projects, or leave it out")])
    return project


def _within_reach(call: Call, project: str | None) -> None:
    if "admin" not in call.body["scopes"]:
        return
    if call.who.rank < Role.ADMIN:
        raise Forbidden("only admins may make tokens of the scope admin")
    if project is not None:
        detail = "the scope admin reaches beyond every project"
        raise Invalid(detail, [Problem("/scopes", detail, "use operate, or leave project out")])


def _free(call: Call, db: Session) -> None:
    name = call.body["name"]
    if db.scalar(select(ApiToken.id).where(ApiToken.user_id == call.who.id, ApiToken.name == name)) is not None:
        detail = f"you have an API token {name!r} already"
        raise Conflict(detail, [Problem("/name", detail, "choose another name")])
