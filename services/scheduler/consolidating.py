# SPDX-License-Identifier: Apache-2.0
"""Answers "which moves would save how many watts?": reads hosts and vms, plans, and changes nothing."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.catalog import systems
from services.common.contracts.codec import load
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.placement import Request, request_of
from services.common.contracts.vm import VmSpec
from services.common.store.database import Database
from services.common.store.hosts import Claim
from services.common.store.moves_taken import Budget, taken_lately
from services.common.store.vms import Vm
from services.scheduler.consolidation import Emptied, consolidation
from services.scheduler.inventory import load_inventory
from services.scheduler.policy_file import Shelf

TOPIC = "consolidate"
MOST_TOLD = 100  # hosts of which it is told why they keep their vms
JsonDict = dict[str, Any]


class Consolidator:
    """A question is {"moves": at most so many, "policy": a name or ""}; the answer has names beside ids.

    Of the moves that the policy admits in an hour only those are planned that weren't handed out yet.
    """

    def __init__(self, database: Database, shelf: Shelf, clock: Callable[[], float] = time.time):
        self._database = database
        self._shelf = shelf
        self._clock = clock

    def answer(self, payload: JsonDict) -> JsonDict:
        """The plan as plain values; raises Invalid for a bad question."""
        asked = payload.get("moves")
        if not isinstance(asked, int) or asked < 1:
            problem = Problem("/moves", f"{asked!r} is no number of moves", "give 1 or more")
            raise Invalid("the question can't be read", [problem])
        policy = self._shelf.get(str(payload.get("policy") or ""))
        now = self._clock()
        with self._database.read() as session:
            hosts = load_inventory(session, now).hosts
            taken = taken_lately(session, now)
            vms, names = _vms(session, taken)
        names |= {host.id: host.name for host in hosts}
        budget = Budget(policy.power.moves_per_hour, len(taken))
        plan = consolidation(hosts, vms, policy, asked if budget.left is None else min(asked, budget.left))
        return {
            "emptied": [_emptied(step, names) for step in plan.emptied],
            "kept": [
                {"host": kept.host, "host_name": names[kept.host], "reason": kept.reason}
                for kept in plan.kept[:MOST_TOLD]
            ],
            "moves": sum(len(step.moves) for step in plan.emptied),
            "watts_saved": round(sum(step.watts_saved for step in plan.emptied), 2),
            "budget": {"per_hour": budget.per_hour, "taken": budget.taken, "left": budget.left},
            "policy": policy.name,
            "policy_sha": policy.sha256,
        }


def _emptied(step: Emptied, names: Mapping[str, str]) -> JsonDict:
    moves = [
        {
            "vm": move.vm,
            "vm_name": names.get(move.vm, ""),
            "target": move.target,
            "target_name": names[move.target],
        }
        for move in step.moves
    ]
    return {
        "host": step.host,
        "host_name": names[step.host],
        "watts_saved": step.watts_saved,
        "moves": moves,
    }


def _vms(session: Session, taken: Collection[str]) -> tuple[dict[str, list[Request]], dict[str, str]]:
    """What each claim's vm needs, by its host; and the vms' names."""
    columns = (Claim.host_id, Vm.id, Vm.name, Vm.project_id, Vm.spec, Vm.job_id)
    found: dict[str, list[Request]] = {}
    names: dict[str, str] = {}
    for row in session.execute(select(*columns).join(Vm, Vm.id == Claim.vm_id).order_by(Vm.id)):
        if row.job_id or row.id in taken:
            continue  # its host is left as it is, having a vm that isn't listed
        spec = load(VmSpec, row.spec)
        system = systems().get(spec.os)
        needs = system.needs if system is not None else ()
        found.setdefault(row.host_id, []).append(request_of(row.id, row.project_id, spec, needs))
        names[row.id] = row.name
    return found, names
