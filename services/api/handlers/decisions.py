# SPDX-License-Identifier: Apache-2.0
"""Decisions: why the vms of a project are where they are."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.asking import answer_to
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.names import names_for
from services.api.views.policies import decision_view, hosts_of
from services.common.contracts.errors import NotFound
from services.common.store.models import StoredDecision

JsonDict = dict[str, Any]
REPLAY = "replay"
ORDER = Order(StoredDecision.id, {"job": StoredDecision.job_id})  # whose ids grow with time; a decision's don't


def listing(call: Call, db: Session) -> JsonDict:
    """The project's decisions, without their explanations."""
    statement = select(StoredDecision).where(StoredDecision.project_id == call.project.id)
    for name, column in (("vm", StoredDecision.vm_id), ("job", StoredDecision.job_id)):
        if call.query.get(name):
            statement = statement.where(column == call.query[name])

    def views(rows: Any) -> list[JsonDict]:
        names = names_for(call, db, {row.host_id for row in rows if row.host_id}, set())
        return [decision_view(row, names) for row in rows]

    return listed(db, call, statement, ORDER, views)


def get(call: Call, db: Session) -> JsonDict:
    """One decision with its explanation."""
    row = find(call, db)
    view = decision_view(row, names_for(call, db, hosts_of(row), set()), whole=True)
    return chosen(view, call.query.get("fields"))


def replay(call: Call) -> Answer:
    """Whether it would be decided again: what is kept of its ground is worked out anew, the rest is named."""
    with call.parts.database.read() as db:
        decision = find(call, db).id
    return Answer(answer_to(call.parts, REPLAY, {"decision": decision}))


def find(call: Call, db: Session) -> StoredDecision:
    """The decision of the path, where it is the project's; else NotFound."""
    row = db.get(StoredDecision, call.path["decision_id"])
    if row is None or row.project_id != call.project.id:
        raise NotFound(f"there is no decision {call.path['decision_id']}")
    return row
