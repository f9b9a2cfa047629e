# SPDX-License-Identifier: Apache-2.0
"""Users, projects, members and API tokens as they are shown: never a password, a hash or a secret."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.access import PROJECT_ROLES, Role, Who
from services.api.views.moments import moment
from services.common.store.models import ApiToken, Membership, Project, User

JsonDict = dict[str, Any]
USER_EDITABLE = ("username", "admin", "disabled")
PROJECT_EDITABLE = ("name", "description", "quotas")


def me_view(who: Who) -> JsonDict:
    """The caller, with what the token in use allows in each project."""
    places = [{"id": p.id, "name": p.name, "role": _named(min(p.role, who.cap))} for p in who.places]
    return {"id": who.id, "username": who.username, "admin": who.rank == Role.ADMIN, "projects": places}


def user_views(db: Session, users: Sequence[User]) -> list[JsonDict]:
    """Several users; their projects are looked up once."""
    query = (
        select(Membership.user_id, Membership.role, Project.id, Project.name)
        .join(Project, Project.id == Membership.project_id)
        .where(Membership.user_id.in_([user.id for user in users]))
        .order_by(Project.created_at, Project.id)
    )
    places: dict[str, list[JsonDict]] = {user.id: [] for user in users}
    for row in db.execute(query):
        places[row.user_id].append({"id": row.id, "name": row.name, "role": row.role})
    return [_user_view(user, places[user.id]) for user in users]


def tagged_user(db: Session, user: User) -> JsonDict:
    """One user with its ETag."""
    view = user_views(db, [user])[0]
    return {**view, "etag": etags.make(view, USER_EDITABLE)}


def _user_view(user: User, places: list[JsonDict]) -> JsonDict:
    return {
        "id": user.id,
        "username": user.username,
        "admin": user.is_admin,
        "disabled": user.disabled,
        "role": "admin" if user.is_admin else _highest(place["role"] for place in places),
        "projects": places,
        "created_at": moment(user.created_at),
        "updated_at": moment(user.updated_at),
    }


def project_view(project: Project, who: Who) -> JsonDict:
    """A project, with the caller's role in it."""
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "quotas": project.quotas,
        "role": _role(project.id, who),
        "created_at": moment(project.created_at),
        "updated_at": moment(project.updated_at),
    }


def tagged_project(project: Project, who: Who) -> JsonDict:
    """One project with its ETag."""
    view = project_view(project, who)
    return {**view, "etag": etags.make(view, PROJECT_EDITABLE)}


def member_view(member: Membership, username: str) -> JsonDict:
    """A user's role in a project."""
    return {"user": member.user_id, "username": username, "role": member.role}


def api_token_view(token: ApiToken) -> JsonDict:
    """An API token without its secret."""
    return {
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes,
        "project": token.project_id,
        "expires_at": moment(token.expires_at),
        "last_used_at": moment(token.last_used_at),
        "created_at": moment(token.created_at),
    }


def tagged_api_token(token: ApiToken) -> JsonDict:
    """One API token with its ETag."""
    view = api_token_view(token)
    return {**view, "etag": etags.make(view, ("name",))}


def _role(project_id: str, who: Who) -> str:
    if who.rank == Role.ADMIN:
        return "admin"
    return next((_named(min(p.role, who.cap)) for p in who.places if p.id == project_id), "")


def _named(role: Role) -> str:
    return Role(role).name.lower()


def _highest(roles: Iterable[str]) -> str:
    return max(roles, key=lambda role: PROJECT_ROLES.get(role, Role.USER), default="")
