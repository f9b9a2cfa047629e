# SPDX-License-Identifier: Apache-2.0
"""Answers "which moves would save how many watts?": reads hosts and vms, plans, and changes nothing."""

import time
from collections.abc import Callable
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
from services.common.store.vms import Vm
from services.scheduler.consolidation import consolidation
from services.scheduler.inventory import load_inventory
from services.scheduler.policy_file import Shelf

TOPIC = "consolidate"
JsonDict = dict[str, Any]


class Consolidator:
    """A question is {"moves": at most so many, "policy": a name or ""}; the answer has names beside ids."""

    def __init__(self, database: Database, shelf: Shelf, clock: Callable[[], float] = time.time):
        self._database = database
        self._shelf = shelf
        self._clock = clock

    def answer(self, payload: JsonDict) -> JsonDict:
        """The plan as plain values; raises Invalid for a bad question."""
        budget = payload.get("moves")
        if not isinstance(budget, int) or budget < 1:
            problem = Problem("/moves", f"{budget!r} is no number of moves", "give 1 or more")
            raise Invalid("the question can't be read", [problem])
        policy = self._shelf.get(str(payload.get("policy") or ""))
        with self._database.read() as session:
            hosts = load_inventory(session, self._clock()).hosts
            vms, names = _vms(session)
        names |= {host.id: host.name for host in hosts}
        plan = consolidation(hosts, vms, policy, budget)
        emptied = [
            {
                "host": step.host,
                "host_name": names[step.host],
                "watts_saved": step.watts_saved,
                "moves": [
                    {
                        "vm": move.vm,
                        "vm_name": names.get(move.vm, ""),
                        "target": move.target,
                        "target_name": names[move.target],
                    }
                    for move in step.moves
                ],
            }
            for step in plan
        ]
        return {
            "emptied": emptied,
            "moves": sum(len(step.moves) for step in plan),
            "watts_saved": round(sum(step.watts_saved for step in plan), 2),
            "policy": policy.name,
            "policy_sha": policy.sha256,
        }


def _vms(session: Session) -> tuple[dict[str, list[Request]], dict[str, str]]:
    """What each claim's vm needs, by its host; and the vms' names."""
    columns = (Claim.host_id, Vm.id, Vm.name, Vm.project_id, Vm.spec, Vm.job_id)
    found: dict[str, list[Request]] = {}
    names: dict[str, str] = {}
    for row in session.execute(select(*columns).join(Vm, Vm.id == Claim.vm_id).order_by(Vm.id)):
        if row.job_id:
            continue  # a job works on it: its host is left as it is, having a vm that isn't listed
        spec = load(VmSpec, row.spec)
        system = systems().get(spec.os)
        needs = system.devices.needs if system is not None else ()
        found.setdefault(row.host_id, []).append(request_of(row.id, row.project_id, spec, needs))
        names[row.id] = row.name
    return found, names
