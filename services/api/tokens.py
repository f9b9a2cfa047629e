# SPDX-License-Identifier: Apache-2.0
"""JWTs after RFC 8725: one algorithm, every claim required, and a type of its own for each kind of token."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from services.common.contracts.errors import Unauthenticated
from services.common.contracts.ids import new_id

ALGORITHM = "HS256"
ISSUER = "innkeeper"
AUDIENCE = "innkeeper-api"
ACCESS, REFRESH = "access", "refresh"
LIFETIME_S = {ACCESS: 15 * 60, REFRESH: 14 * 24 * 3600}
_REQUIRED = ["exp", "iat", "aud", "iss", "jti", "sub", "typ"]
# A token is some hundred bytes; anything longer is not worth the parser's time.
_LONGEST = 4096
_REMEMBERED = 4096
_EXPIRED = "the token has expired; get a new one"


@dataclass(frozen=True)
class Claims:
    """What a token says, once its signature and every claim have been checked."""

    sub: str
    jti: str
    typ: str
    family: str
    epoch: int
    exp: float
    project: str = ""
    scopes: tuple[str, ...] = ()


class Tokens:
    """Issues and checks tokens; `keys` is kid -> secret, `current` the kid that new tokens carry."""

    def __init__(self, current: str, keys: Mapping[str, bytes]):
        self._current = current
        self._keys = dict(keys)
        # A signature that was good once stays good; whether the token has expired is asked each time.
        self._checked = lru_cache(maxsize=_REMEMBERED)(self._check)

    def issue(self, claims: Claims, now: float) -> str:
        """A signed token; `claims.exp` is set from the kind's lifetime when it is 0."""
        body: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": claims.sub,
            "jti": claims.jti or new_id(),
            "iat": int(now),
            "exp": int(claims.exp or now + LIFETIME_S[claims.typ]),
            "typ": claims.typ,
            "fam": claims.family,
            "epoch": claims.epoch,
        }
        if claims.project:
            body["project"] = claims.project
        if claims.scopes:
            body["scopes"] = list(claims.scopes)
        return jwt.encode(body, self._keys[self._current], ALGORITHM, headers={"kid": self._current})

    def read(self, token: str, kind: str) -> Claims:
        """The claims of a good token of this kind; raises Unauthenticated that says what is wrong."""
        if len(token) > _LONGEST:
            raise Unauthenticated("the token is too long to be one of ours")
        claims = self._checked(token)
        if claims.exp <= time.time():
            raise Unauthenticated(_EXPIRED)
        if claims.typ != kind:
            raise Unauthenticated(f"this needs an {kind} token" if kind == ACCESS else f"this needs a {kind} token")
        return claims

    def _check(self, token: str) -> Claims:
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            key = self._keys.get(kid if isinstance(kid, str) else "")
            if key is None:
                raise Unauthenticated("the token is not signed by a key of this installation")
            body = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options={"require": _REQUIRED}
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated(_EXPIRED) from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("the token is not valid") from error
        return _claims(body)


def _claims(body: dict[str, Any]) -> Claims:
    try:
        return Claims(
            sub=str(body["sub"]),
            jti=str(body["jti"]),
            typ=str(body["typ"]),
            family=str(body["fam"]),
            epoch=int(body["epoch"]),
            exp=float(body["exp"]),
            project=str(body.get("project", "")),
            scopes=tuple(str(s) for s in body.get("scopes", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unauthenticated("the token is not valid") from error
