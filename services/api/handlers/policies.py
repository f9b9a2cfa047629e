# SPDX-License-Identifier: Apache-2.0
"""Policies: store a version, put it in force, go back. What the scheduler could not use is never stored."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.asking import answer_to, said_to
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.refusal import refusal
from services.api.views.policies import activation_view, policy_view
from services.common.contracts.errors import InnkeeperError, NotFound, Problem
from services.common.store import policies as store
from services.common.store.models import Activation, StoredPolicy

JsonDict = dict[str, Any]
TOPIC = "policy"
_PLACE = re.compile(r"^line (\d+), column (\d+): ")  # how the scheduler begins what is wrong at one place
POLICIES = Order(StoredPolicy.id, {"name": StoredPolicy.name, "created_at": StoredPolicy.id})
ACTIVATIONS = Order(Activation.id, {"created_at": Activation.id})


def listing(call: Call, db: Session) -> JsonDict:
    """Every version of every policy, without its text; which one is in force, and which has a share."""
    at, statement = store.current(db), select(StoredPolicy)
    if call.query.get("name"):
        statement = statement.where(StoredPolicy.name == call.query["name"])
    return listed(db, call, statement, POLICIES, lambda rows: [policy_view(row, at) for row in rows])


def get(call: Call, db: Session) -> JsonDict:
    """One version; its text for admins."""
    return chosen(policy_view(_find(call, db), store.current(db), call.admin), call.query.get("fields"))


def validate(call: Call) -> Answer:
    """Whether the scheduler could use this text, and all that is wrong in it with line and column; stores nothing."""
    found = _read(call)
    if "error" not in found:
        return Answer({"valid": True, **found, "errors": []})
    if found["error"]["code"] != "invalid":
        raise refusal(found["error"])
    return Answer({"valid": False, "errors": [_placed(error) for error in found["error"]["errors"]]})


def read(call: Call) -> store.Draft:
    """The text with what the scheduler read in it. Raises Invalid with what is wrong, TryAgain without a scheduler."""
    found = _read(call)
    if "error" in found:
        raise _of_the_body(refusal(found["error"]))
    return store.Draft(
        found["name"],
        found["version"],
        found["sha256"],
        call.body["text"],
        matched=found["matched"],
        keep_s=found["keep_s"],
    )


def add(call: Call, db: Session) -> Answer:
    """Store a version; the same text again is the version there is. It decides nothing until it is activated."""
    row, new = store.publish(db, call.prepared, call.who.id, call.now)
    view = policy_view(row, store.current(db), text=True)
    return Answer(view, 201 if new else 200, {"Location": f"/v1/policies/{row.id}"})


def could_stand(call: Call) -> None:
    """Raise Invalid where the scheduler can't use the version now, or another one is for the same vms."""
    with call.parts.database.read() as db:
        _find(call, db)
    answer_to(call.parts, TOPIC, {"stand": call.path["policy_id"]})


def activate(call: Call, db: Session) -> JsonDict:
    """Put a version in force within seconds: for every vm, for those it matches, or for a share that stays the same."""
    row = _find(call, db)
    return _shown(db, [store.activate(db, row, call.body["canary_percent"], call.who.id, call.now)])[0]


def deactivate(call: Call, db: Session) -> JsonDict:
    """Take a canary away, or what stands beside the policy of everybody else."""
    return _shown(db, [store.deactivate(db, _find(call, db), call.who.id, call.now)])[0]


def rollback(call: Call, db: Session) -> JsonDict:
    """Back to what was in force before; again, to what was before that."""
    return _shown(db, [store.roll_back(db, call.who.id, call.now)])[0]


def history(call: Call, db: Session) -> JsonDict:
    """What was in force when, and who put it there; the first is in force now."""
    return listed(db, call, select(Activation), ACTIVATIONS, lambda rows: _shown(db, rows))


def _read(call: Call) -> JsonDict:
    return said_to(call.parts, TOPIC, {"text": call.body["text"]})


def _of_the_body(error: InnkeeperError) -> InnkeeperError:
    """The same refusal; where it points into the YAML, the body's field is what is wrong."""
    problems = [Problem("/text", f"{p.pointer}: {p.detail}", p.fix) for p in error.problems]
    return type(error)(problems[0].detail if problems else error.detail, problems)


def _placed(error: JsonDict) -> JsonDict:
    at = _PLACE.match(error["detail"])
    line, column = (int(at[1]), int(at[2])) if at else (None, None)
    return {**error, "detail": _PLACE.sub("", error["detail"]), "line": line, "column": column}


def _find(call: Call, db: Session) -> StoredPolicy:
    row = db.get(StoredPolicy, call.path["policy_id"])
    if row is None:
        raise NotFound(f"there is no policy {call.path['policy_id']}")
    return row


def _shown(db: Session, rows: Sequence[Activation]) -> list[JsonDict]:
    ids = {one for row in rows for one in (row.policy_id, row.canary_id, *row.beside) if one}
    found = {row.id: row for row in db.scalars(select(StoredPolicy).where(StoredPolicy.id.in_(ids)))}
    return [activation_view(row, found) for row in rows]
