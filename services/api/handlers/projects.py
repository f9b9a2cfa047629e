# SPDX-License-Identifier: Apache-2.0
"""Projects with their quotas: admins manage them, members see theirs."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from services.api import etags, sessions
from services.api.access import Role
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.accounts import project_view, tagged_project
from services.common.contracts.errors import Conflict, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import MediaState
from services.common.store.models import ApiToken, Image, Media, Network, Project, Vm

ORDER = Order(Project.id, {"name": Project.name, "created_at": Project.id})


def listing(call: Call, db: Session) -> dict[str, Any]:
    """The caller's projects, for admins all, page by page."""
    statement = select(Project).where(*_visible(call))
    if call.query.get("name"):
        statement = statement.where(Project.name == call.query["name"])
    return listed(db, call, statement, ORDER, lambda rows: [project_view(row, call.who) for row in rows])


def get(call: Call, db: Session) -> dict[str, Any]:
    """One project with its quotas."""
    return chosen(tagged_project(found(call, db), call.who), call.query.get("fields"))


def create(call: Call, db: Session) -> Answer:
    """Make a project."""
    _free(db, call.body["name"])
    project = Project(
        id=new_id(),
        name=call.body["name"],
        description=call.body["description"],
        quotas=_quotas({}, call.body["quotas"]),
        created_at=call.now,
        updated_at=call.now,
    )
    db.add(project)
    db.flush()
    return Answer(tagged_project(project, call.who), 201, {"Location": f"/v1/projects/{project.id}"})


def change(call: Call, db: Session) -> dict[str, Any]:
    """Change name, description or quotas. Quotas below what is used refuse new vms, they stop none."""
    project = found(call, db, lock=True)
    etags.check(call.headers.get("If-Match", ""), tagged_project(project, call.who)["etag"], required=True)
    if "name" in call.body and call.body["name"] != project.name:
        _free(db, call.body["name"])
        project.name = call.body["name"]
    project.description = call.body.get("description", project.description)
    project.quotas = _quotas(project.quotas, call.body.get("quotas", {}))
    project.updated_at = call.now
    db.flush()
    return tagged_project(project, call.who)


def remove(call: Call, db: Session) -> Answer:
    """Delete a project that holds nothing any more; its API tokens and its images without a vm go with it."""
    project = found(call, db, lock=True)
    etags.check(call.headers.get("If-Match", ""), tagged_project(project, call.who)["etag"], required=True)
    held = {
        "vm(s)": _count(db, Vm.project_id == project.id, Vm.deleted_at.is_(None)),
        "media": _count(db, Media.project_id == project.id, Media.state != str(MediaState.DELETED)),
        "network(s)": _count(db, Network.project_id == project.id),
    }
    holds = [f"{count} {what}" for what, count in held.items() if count]
    if holds:
        raise Conflict(f"project {project.name!r} still has {' and '.join(holds)}; delete them first")
    for token in db.scalars(select(ApiToken).where(ApiToken.project_id == project.id)):
        sessions.end(db, token.id, call.now)
        db.delete(token)
    # What is left are deleted media, which nobody is shown.
    db.execute(delete(Media).where(Media.project_id == project.id))
    db.execute(delete(Image).where(Image.project_id == project.id))
    db.execute(delete(Project).where(Project.id == project.id))
    return Answer(status=204)


def found(call: Call, db: Session, lock: bool = False) -> Project:
    """The project of the path; raises NotFound for one the caller has no role in."""
    query = select(Project).where(Project.id == call.path["project_id"], *_visible(call))
    project = db.scalars(query.with_for_update() if lock else query).first()
    if project is None:
        raise NotFound(f"there is no project {call.path['project_id']}")
    return project


def _visible(call: Call) -> list[ColumnElement[bool]]:
    return [] if call.who.rank >= Role.ADMIN else [Project.id.in_([place.id for place in call.who.places])]


def _quotas(present: Mapping[str, int], asked: Mapping[str, int | None]) -> dict[str, int]:
    return {key: figure for key, figure in {**present, **asked}.items() if figure is not None}


def _count(db: Session, *where: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).where(*where)) or 0


def _free(db: Session, name: str) -> None:
    if db.scalar(select(Project.id).where(Project.name == name)) is not None:
        detail = f"there is a project {name!r} already"
        raise Conflict(detail, [Problem("/name", detail, "choose another name")])
