# SPDX-License-Identifier: Apache-2.0
"""The table of what the conductor with the role `sweeper` does: how often, and when there is anything to do."""

from dataclasses import dataclass

from sqlalchemy import select

from services.common.contracts.states import JOB_DUE, JOB_PARKED
from services.common.store.database import Database
from services.common.store.evidence import Evidence
from services.common.store.guest_tools import GuestTools
from services.common.store.guests import GuestMessage
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.vms import Vm
from services.conductor.due import NOW, Due
from services.conductor.duties import Work
from services.conductor.guest_waits import GuestWaits, heard
from services.conductor.inbox import Inbox
from services.conductor.sweeper import Sweeper, late, overdue, silent, unanswered
from services.conductor.tools import Tools
from services.conductor.witness import Witness

LOOK_S = 0.25


@dataclass(frozen=True)
class Parts:
    """Who does the work."""

    sweeper: Sweeper
    inbox: Inbox
    waits: GuestWaits
    witness: Witness
    tools: Tools


def passes(database: Database, parts: Parts, host_timeout_s: float) -> list[tuple[float, Work]]:
    """For Duties: one look, and what it may have found."""
    under_way = select(Job.id).where(Job.state.in_([str(s) for s in (*JOB_DUE, *JOB_PARKED)]))
    due, sweeper = Due(database, under_way), parts.sweeper
    spoken = select(Job.id).join(Vm, Vm.id == Job.vm_id).where(heard())

    def mark_silent_hosts() -> None:
        sweeper.mark_silent_hosts(host_timeout_s)

    return [
        (LOOK_S, due.look),
        due.then(0.25, select(Job.id).where(overdue(NOW)), sweeper.ring_overdue),
        due.then(0.25, select(GuestMessage.id), parts.inbox.drain),
        due.then(0.5, select(Job.id).where(unanswered(NOW)), sweeper.resend_commands),
        due.then(0.5, spoken, parts.waits.finish_all),
        due.then(1.0, select(Job.id).where(late(NOW)), sweeper.stall_overdue),
        due.then(0.5, select(Evidence.id).where(Evidence.until < NOW), parts.witness.give_up),
        due.then(2.0, select(GuestTools.vm_id).where(GuestTools.due <= NOW), parts.tools.weigh_due),
        due.then(2.0, select(Host.id).where(silent(NOW, host_timeout_s)), mark_silent_hosts),
    ]
