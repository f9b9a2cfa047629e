# SPDX-License-Identifier: Apache-2.0
"""Who is calling: the access token's claims against the users, memberships and revocations of this moment."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, exists, or_, select
from sqlalchemy.orm import Session

from services.api.access import PROJECT_ROLES, SCOPES, Place, Role, Who
from services.api.tokens import Claims
from services.common.contracts.errors import NotFound, Unauthenticated
from services.common.store.models import Membership, Project, RevokedToken, User

# One round trip; built once, since building it costs more than running it.
_REVOKED = exists().where(RevokedToken.jti.in_([bindparam("jti"), bindparam("family"), bindparam("origin")]))
_LOOK = (
    select(
        User.username,
        User.is_admin,
        User.disabled,
        User.token_epoch,
        _REVOKED.label("revoked"),
        Membership.role,
        Project.id,
        Project.name,
        Project.quotas,
    )
    .outerjoin(Membership, Membership.user_id == User.id)
    .outerjoin(Project, Project.id == Membership.project_id)
    .where(User.id == bindparam("sub"))
    .order_by(Project.created_at, Project.id)
)


def who(db: Session, claims: Claims) -> Who:
    """The caller; raises Unauthenticated where the user is gone, disabled, or the token revoked."""
    origin = claims.family.partition(".")[0]  # the API token a session was begun with (see sessions)
    known = {"sub": claims.sub, "jti": claims.jti, "family": claims.family, "origin": origin}
    found = db.execute(_LOOK, known).all()
    if not found or found[0].disabled:
        raise Unauthenticated("the user of this token does not exist or is disabled")
    if found[0].revoked or found[0].token_epoch != claims.epoch:
        raise Unauthenticated("the token has been revoked; sign in again")
    return Who(
        id=claims.sub,
        username=found[0].username,
        admin=found[0].is_admin,
        cap=max((SCOPES.get(s, Role.USER) for s in claims.scopes), default=Role.ADMIN),
        places=_places(found, claims.project),
        jti=claims.jti,
        family=claims.family,
        expires_at=claims.exp,
        only_project=claims.project,
    )


def _places(rows: Sequence[Any], only: str) -> tuple[Place, ...]:
    return tuple(
        Place(row.id, row.name, PROJECT_ROLES.get(row.role, Role.USER), row.quotas or {})
        for row in rows
        if row.id is not None and (not only or row.id == only)
    )


def place(db: Session, caller: Who, wanted: str) -> Place:
    """The project of a request: X-Project by name or id, else the caller's first. Raises NotFound."""
    for candidate in caller.places:
        if not wanted or wanted in (candidate.id, candidate.name):
            return candidate
    found = _any_project(db, wanted or caller.only_project or "default") if caller.admin else None
    if found is None or (caller.only_project and found.id != caller.only_project):
        raise NotFound(f"you have no project {wanted!r}" if wanted else "you are not a member of any project")
    return found


def _any_project(db: Session, wanted: str) -> Place | None:
    row = db.scalars(select(Project).where(or_(Project.id == wanted, Project.name == wanted))).first()
    return Place(row.id, row.name, Role.ADMIN, row.quotas or {}) if row else None
