# SPDX-License-Identifier: Apache-2.0
"""Sign in, refresh, sign out, and who one is."""

import hashlib
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api import identity, sessions
from services.api.call import Answer, Call
from services.api.metrics import SIGN_INS
from services.api.tokens import ACCESS, REFRESH
from services.api.views.accounts import me_view
from services.common.contracts.errors import Unauthenticated
from services.common.store.models import ApiToken, RevokedToken, User

_BEARER = "bearer "


@dataclass(frozen=True)
class Proven:
    """Who has proven to be whom. Should the password change meanwhile, `epoch` makes the new tokens worthless."""

    user_id: str
    epoch: int
    token_id: str = ""


def prove(call: Call) -> Proven:
    """Check password or API token, before the transaction since argon2 takes its time; raises Unauthenticated."""
    if "api_token" in call.body:
        return _by_api_token(call, sha256(call.body["api_token"]))
    name: str = call.body["username"]
    call.parts.limits.sign_in(name, call.address)
    with call.parts.database.read() as db:
        user = db.scalars(select(User).where(User.username == name)).first()
    right = call.parts.passwords.right(user.password_hash if user else None, call.body["password"])
    if user is None or user.disabled or not right:
        _refuse("wrong user name or password")
    return Proven(user.id, user.token_epoch)


def _by_api_token(call: Call, digest: str) -> Proven:
    with call.parts.database.read() as db:
        query = select(ApiToken, User).join(User, User.id == ApiToken.user_id).where(ApiToken.token_hash == digest)
        found = db.execute(query).one_or_none()
    if found is None or found[0].expires_at <= call.now or found[1].disabled:
        # Nobody guesses 256 bits, so good ones may come as often as scripts start.
        call.parts.limits.sign_in("api-token", call.address)
        _refuse("the API token is unknown, has expired or was deleted")
    return Proven(found[1].id, found[1].token_epoch, found[0].id)


def sign_in(call: Call, db: Session) -> Answer:
    """Begin a session: an access token for 15 minutes and a refresh token for 14 days."""
    proven: Proven = call.prepared
    token = db.get(ApiToken, proven.token_id) if proven.token_id else None
    if proven.token_id and token is None:
        _refuse("the API token was deleted")
    if token is not None:
        token.last_used_at = call.now
    session = sessions.begun(proven.user_id, proven.epoch, token)
    SIGN_INS.labels("accepted").inc()
    return Answer(sessions.pair(call.parts.tokens, session, token.expires_at if token else None, call.now))


def refresh(call: Call, db: Session) -> Answer:
    """Exchange a refresh token for a new pair. One that was used before ends the whole session: it was stolen."""
    claims = call.parts.tokens.read(call.body["refresh_token"], REFRESH)
    if db.get(RevokedToken, claims.jti) is not None:
        sessions.end(db, claims.family, call.now)
        call.key = ""  # the session's end is to be committed, the refusal is not to be kept as an answer
        return Answer(after=_used_twice)
    identity.who(db, claims)
    until = sessions.until(db, claims.family, call.now)
    db.add(RevokedToken(jti=claims.jti, expires_at=claims.exp))
    return Answer(sessions.pair(call.parts.tokens, claims, until, call.now))


def revoke(call: Call, db: Session) -> Answer:
    """End a session with all its tokens. A refresh token that is worthless already is no error (RFC 7009)."""
    given = call.body.get("refresh_token")
    if given is None:
        header = call.headers.get("Authorization", "")
        if not header.lower().startswith(_BEARER):
            raise Unauthenticated("send refresh_token in the body, or Authorization: Bearer <access token>")
        claims = call.parts.tokens.read(header[len(_BEARER) :].strip(), ACCESS)
    else:
        try:
            claims = call.parts.tokens.read(given, REFRESH)
        except Unauthenticated:
            return Answer(status=204)
    sessions.end(db, claims.family, call.now)
    return Answer(status=204)


def me(call: Call, _db: Session) -> dict[str, Any]:
    """Who is signed in, and the role in each project."""
    return me_view(call.who)


def sha256(secret: str) -> str:
    """How an API token's secret is kept: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _refuse(why: str) -> NoReturn:
    SIGN_INS.labels("refused").inc()
    raise Unauthenticated(why)


def _used_twice(_answer: Answer) -> NoReturn:
    raise Unauthenticated("this refresh token was used before; the session has been ended, sign in again")
