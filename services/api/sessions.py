# SPDX-License-Identifier: Apache-2.0
"""Sessions: the chain of tokens that one sign-in begins.

All tokens of a session share a family, so that one row ends it. The family of a session begun with an API token is
"<token id>.<session id>": ending the token's id ends every session begun with it.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from services.api.access import Who
from services.api.tokens import ACCESS, LIFETIME_S, REFRESH, Claims, Tokens
from services.common.contracts.errors import Forbidden, Unauthenticated
from services.common.contracts.ids import new_id
from services.common.store.models import ApiToken, RevokedToken
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together


def begun(user_id: str, epoch: int, api_token: ApiToken | None) -> Claims:
    """What the tokens of a new session say about it."""
    claims = Claims(sub=user_id, jti="", typ="", family=new_id(), epoch=epoch, exp=0.0)
    if api_token is None:
        return claims
    family = f"{api_token.id}.{claims.family}"
    return replace(claims, family=family, project=api_token.project_id or "", scopes=tuple(api_token.scopes))


def pair(tokens: Tokens, session: Claims, until: float | None, now: float) -> dict[str, Any]:
    """A fresh access and refresh token of a session; neither outlives `until`."""
    ends = {kind: now + s if until is None else min(now + s, until) for kind, s in LIFETIME_S.items()}
    issued = {k: tokens.issue(replace(session, jti=new_id(), typ=k, exp=ends[k]), now) for k in (ACCESS, REFRESH)}
    return {
        "access_token": issued[ACCESS],
        "refresh_token": issued[REFRESH],
        "token_type": "Bearer",
        "expires_in": int(ends[ACCESS] - now),
    }


def until(db: Session, family: str, now: float) -> float | None:
    """When a session must end: with its API token, else never by itself. Raises Unauthenticated where that is over."""
    token_id, dot, _ = family.partition(".")
    if not dot:
        return None
    token = db.get(ApiToken, token_id)
    if token is None or token.expires_at <= now:
        raise Unauthenticated("the API token of this session has expired or was deleted")
    return token.expires_at


def end(db: Session, family: str, now: float) -> None:
    """End a session, or all sessions of an API token; one that is over stays so."""
    if db.get(RevokedToken, family) is None:
        # No token issued until now lives longer than a refresh token does. Who ends it too in this moment may do so.
        ended = {"jti": family, "expires_at": now + LIFETIME_S[REFRESH] + 1}
        write_together(db, [Row(table_of(RevokedToken), ended, How.UPSERT)])


def demand_password(who: Who) -> None:
    """Raise Forbidden where the caller came by an API token: it must not make itself more than it is."""
    if "." in who.family:
        raise Forbidden("an API token can't do this; sign in with the password")
