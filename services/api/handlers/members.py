# SPDX-License-Identifier: Apache-2.0
"""Who has which role in a project."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers import projects
from services.api.paging import Order, listed
from services.api.views.accounts import member_view
from services.common.contracts.errors import NotFound
from services.common.store.models import Membership, User

ORDER = Order(Membership.user_id, {"user": Membership.user_id})


def listing(call: Call, db: Session) -> dict[str, Any]:
    """The members of a project, page by page."""
    project = projects.found(call, db)

    def views(rows: Sequence[Membership]) -> list[dict[str, Any]]:
        query = select(User.id, User.username).where(User.id.in_([row.user_id for row in rows]))
        names = {row[0]: row[1] for row in db.execute(query)}
        return [member_view(row, names[row.user_id]) for row in rows]

    return listed(db, call, select(Membership).where(Membership.project_id == project.id), ORDER, views)


def put(call: Call, db: Session) -> dict[str, Any]:
    """Give a user this role in the project, whatever it was before."""
    project = projects.found(call, db)
    user = db.get(User, call.path["user_id"])
    if user is None:
        raise NotFound(f"there is no user {call.path['user_id']}")
    member = db.get(Membership, (project.id, user.id))
    if member is None:
        member = Membership(project_id=project.id, user_id=user.id, role=call.body["role"])
        db.add(member)
    member.role = call.body["role"]
    return member_view(member, user.username)


def remove(call: Call, db: Session) -> Answer:
    """Take a user's role in the project away."""
    project = projects.found(call, db)
    member = db.get(Membership, (project.id, call.path["user_id"]))
    if member is None:
        raise NotFound(f"user {call.path['user_id']} is not a member of project {project.name!r}")
    db.delete(member)
    return Answer(status=204)
