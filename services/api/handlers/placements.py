# SPDX-License-Identifier: Apache-2.0
"""Where a vm would be placed, and why not elsewhere. Asks the scheduler; nothing is claimed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from services.api.access import Role
from services.api.asking import answer_to
from services.api.call import Answer, Call
from services.api.handlers.previewing import asked
from services.api.intents.resolve import Size
from services.api.refusal import refusal
from services.common.contracts.data_disks import DataDisks, with_disks
from services.common.contracts.datastores import room_of
from services.common.contracts.errors import Forbidden, Invalid, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.moves import Move
from services.common.contracts.placement import Request
from services.common.store import moves_taken
from services.common.store.models import Flavor
from services.common.store.moves_taken import Budget

JsonDict = dict[str, Any]
_SIZES = ("vcpus", "memory_mib", "disk_gib")


def explain(call: Call) -> Answer:
    """The host that would be chosen, every term of its score, and for the others what they lack."""
    body = call.body
    if body["why_not"] and call.who.rank_in(call.project) < Role.ADMIN:
        raise Forbidden("only admins ask about a host by name")
    size, system = _size(call), call.parts.systems.get(body["os"])
    request = Request(
        id=new_id(),
        vcpus=size.vcpus,
        memory_mib=size.memory_mib,
        disk_gib=size.disk_gib,
        hypervisor=body["hypervisor"],
        zone=body["zone"],
        traits=tuple(body["traits"]),
        needs=system.needs if system is not None else (),
        os=body["os"],
        project=call.project.id,
        labels=body["labels"],
    )
    request = with_disks(request, _disks(body["volumes"]))
    found = asked(call, request, {"why_not": body["why_not"], "policy": body["policy"]})
    if "error" in found:
        raise refusal(found["error"])
    return Answer(found)


def consolidate(call: Call) -> Answer:
    """Which moves would empty thirsty hosts, and how many watts that would save. A plan: nothing is moved."""
    return Answer(answer_to(call.parts, "consolidate", dict(call.body)))


def planned(call: Call) -> JsonDict:
    """Before the transaction that takes moves: the plan."""
    return dict(consolidate(call).body)


def take_moves(call: Call, db: Session) -> JsonDict:
    """Hand a plan's moves out to who carries them out; they count against the hour's budget. 409: plan again."""
    plan: JsonDict = call.prepared
    moves = [Move(m["vm"], step["host"], m["target"]) for step in plan["emptied"] for m in step["moves"]]
    moves_taken.take_moves(db, moves, plan["budget"]["per_hour"], call.who.id, call.now)
    budget = Budget(plan["budget"]["per_hour"], plan["budget"]["taken"] + len(moves))
    return {**plan, "budget": {"per_hour": budget.per_hour, "taken": budget.taken, "left": budget.left}}


def _disks(volumes: Sequence[Mapping[str, Any]]) -> DataDisks:
    """What new volumes would ask of a host; they have no ids yet."""
    own = sum(volume["size_gib"] for volume in volumes if "datastore" not in volume)
    return DataDisks(
        new_gib=own, datastores=room_of((v["datastore"], v["size_gib"]) for v in volumes if "datastore" in v)
    )


def _size(call: Call) -> Size:
    body = call.body
    if body.get("flavor"):
        with call.parts.database.read() as db:
            row = db.query(Flavor).filter(Flavor.name == body["flavor"]).first()
        if row is None:
            detail = f"there is no flavor {body['flavor']!r}"
            raise Invalid(detail, [Problem("/flavor", detail, "GET /v1/flavors lists them")])
        return Size(row.name, row.vcpus, row.memory_mib, row.disk_gib)
    missing = [key for key in _SIZES if key not in body]
    if missing:
        detail = "the vm has no size"
        raise Invalid(detail, [Problem(f"/{missing[0]}", detail, "give a flavor, or vcpus, memory_mib and disk_gib")])
    return Size("", body["vcpus"], body["memory_mib"], body["disk_gib"])
