# SPDX-License-Identifier: Apache-2.0
"""Who is calling: the access token's claims against the users, memberships and revocations of this moment."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from services.api.access import PROJECT_ROLES, SCOPES, Place, Role, Who
from services.api.tokens import Claims
from services.common.contracts.errors import NotFound, Unauthenticated
from services.common.store.models import Membership, Project, RevokedToken, User
from services.common.store.tables import table_of

_USERS, _MEMBERS, _MINE = table_of(User), table_of(Membership), table_of(Project)
_WANTED = table_of(Project).alias("wanted")
_GONE = table_of(RevokedToken)
_REVOKED = exists().where(_GONE.c.jti.in_([bindparam("jti"), bindparam("family"), bindparam("origin")]))
# One round trip; built once, since building it costs more than running it. Admins may name any project.
_LOOK = (
    select(
        _USERS.c.username,
        _USERS.c.is_admin,
        _USERS.c.disabled,
        _USERS.c.token_epoch,
        _REVOKED.label("revoked"),
        _MEMBERS.c.role,
        _MINE.c.id,
        _MINE.c.name,
        _MINE.c.quotas,
        _WANTED.c.id.label("wanted_id"),
        _WANTED.c.name.label("wanted_name"),
        _WANTED.c.quotas.label("wanted_quotas"),
    )
    .select_from(_USERS)
    .outerjoin(_MEMBERS, _MEMBERS.c.user_id == _USERS.c.id)
    .outerjoin(_MINE, _MINE.c.id == _MEMBERS.c.project_id)
    .outerjoin(
        _WANTED,
        and_(_USERS.c.is_admin, or_(_WANTED.c.id == bindparam("wanted"), _WANTED.c.name == bindparam("wanted"))),
    )
    .where(_USERS.c.id == bindparam("sub"))
    .order_by(_MINE.c.created_at, _MINE.c.id)
)
DEFAULT_PROJECT = "default"


def who(db: Connection | Session, claims: Claims) -> Who:
    """The caller; raises Unauthenticated where the user is gone, disabled, or the token revoked."""
    return _who(_looked(db, claims, ""), claims)


def who_and_where(db: Connection, claims: Claims, wanted: str) -> tuple[Who, Place]:
    """The caller, and the project of the request: `wanted` by name or id, else the caller's first.

    Raises Unauthenticated as `who` does, and NotFound for a project the caller has no part in.
    """
    rows = _looked(db, claims, wanted or claims.project or DEFAULT_PROJECT)
    caller = _who(rows, claims)
    for candidate in caller.places:
        if not wanted or wanted in (candidate.id, candidate.name):
            return caller, candidate
    row = rows[0]
    if row.wanted_id is None or (claims.project and row.wanted_id != claims.project):
        raise NotFound(f"you have no project {wanted!r}" if wanted else "you are not a member of any project")
    return caller, Place(row.wanted_id, row.wanted_name, Role.ADMIN, row.wanted_quotas or {})


def _looked(db: Connection | Session, claims: Claims, wanted: str) -> Sequence[Any]:
    origin = claims.family.partition(".")[0]  # the API token a session was begun with (see sessions)
    known = {"sub": claims.sub, "jti": claims.jti, "family": claims.family, "origin": origin, "wanted": wanted}
    found = db.execute(_LOOK, known).all()
    if not found or found[0].disabled:
        raise Unauthenticated("the user of this token does not exist or is disabled")
    if found[0].revoked or found[0].token_epoch != claims.epoch:
        raise Unauthenticated("the token has been revoked; sign in again")
    return found


def _who(rows: Sequence[Any], claims: Claims) -> Who:
    return Who(
        id=claims.sub,
        username=rows[0].username,
        admin=rows[0].is_admin,
        cap=max((SCOPES.get(s, Role.USER) for s in claims.scopes), default=Role.ADMIN),
        places=_places(rows, claims.project),
        jti=claims.jti,
        family=claims.family,
        expires_at=claims.exp,
        only_project=claims.project,
    )


def _places(rows: Sequence[Any], only: str) -> tuple[Place, ...]:
    found = {row.id: row for row in rows if row.id is not None and (not only or row.id == only)}
    return tuple(
        Place(row.id, row.name, PROJECT_ROLES.get(row.role, Role.USER), row.quotas or {}) for row in found.values()
    )
