# SPDX-License-Identifier: Apache-2.0
"""The journal of drifts: what was found of vms that nobody had asked for, when, and how it ended."""

import time
from typing import Any

from sqlalchemy import BigInteger, FetchedValue, Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.codec import dump, load
from services.common.contracts.drift import Drift, How, passed, sentence
from services.common.contracts.events import JobEventKind
from services.common.contracts.ids import new_id
from services.common.contracts.states import VmState
from services.common.store.base import Base, Id, JsonDict, Key, Long, Word
from services.common.store.database import EVENTS
from services.common.store.turns import numbered
from services.common.store.vms import Vm

SEQ = 1  # an entry is an event of its own


class DriftEntry(Base):
    """One line of the journal: append-only. How a vm stands now is in its own row."""

    __tablename__ = "drift_entries"
    __table_args__ = (
        Index("ix_drift_entries_project_id_turn", "project_id", "turn"),
        Index("ix_drift_entries_vm_id_at", "vm_id", "at"),
    )
    id: Mapped[Key]
    vm_id: Mapped[Id]
    project_id: Mapped[Id]
    kind: Mapped[Word]
    text: Mapped[Long] = mapped_column(default="")
    data: Mapped[JsonDict] = mapped_column(default=dict)
    at: Mapped[float]
    turn: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


def drift_of(vm: Vm) -> Drift | None:
    """How the vm differs from what was asked for."""
    return load(Drift, vm.drift) if vm.drift else None


def found(session: Session, vm: Vm, was: VmState, power: str, why: str = "") -> None:
    """The vm, whose state was just changed to what is, is not what it was asked to be; or is so again."""
    now, known, state = time.time(), drift_of(vm), VmState(vm.state)
    wanted = known.wanted if known else str(was)
    if known and passed(wanted, state):
        look_again(session, vm)
        return
    vm.drift = dump(Drift(wanted, power, known.since if known else now, now))
    told = {"was": str(was), "power": power, "wanted": wanted, **({"why": why} if why else {})}
    _append(session, vm, JobEventKind.DRIFT, sentence(power, was, state, why), told)


def look_again(session: Session, vm: Vm) -> None:
    """End the drift of a vm that no job works on, where it is again what it was asked to be."""
    known = drift_of(vm)
    if known is not None and vm.job_id is None and passed(known.wanted, VmState(vm.state)):
        settle(session, vm, How.REPAIRED if known.job else How.PASSED)


def files_found(vm: Vm, there: bool) -> None:
    """Its host has told whether the disks of a vm that is gone are still there."""
    if vm.drift and vm.drift.get("files") is not there:
        vm.drift = {**vm.drift, "files": there}


def settle(session: Session, vm: Vm, how: How, by: str = "", job: str = "") -> None:
    """The vm's drift is over; `by` is who said so, `job` what was begun instead."""
    known = drift_of(vm)
    if known is None:
        return
    vm.drift = None
    more = {"by": by, "job": job or known.job}
    told = {"how": str(how), "wanted": known.wanted, "since": known.since, **{k: v for k, v in more.items() if v}}
    _append(session, vm, JobEventKind.DRIFT_ENDED, f"the drift is over: {how}", told)


def network_seen(session: Session, vm: Vm, was: VmState, wrong: list[str]) -> None:
    """The second source (contracts.tools) has seen the network of a vm whose guest is silent: as asked for, or not."""
    text = f"seen by the hypervisor's tools: {'; '.join(wrong) or 'the addresses are as asked for'}"
    told = {"was": str(was), "mismatches": wrong}
    _append(session, vm, JobEventKind.NETWORK_SEEN, f"{text}; {was} became {vm.state}", told)


def drift_message(row: DriftEntry) -> dict[str, Any]:
    """An entry as readers of events get it: as one of no job."""
    return {
        "job": "",
        "drift": row.id,
        "seq": SEQ,
        "project": row.project_id,
        "vm": row.vm_id,
        "kind": row.kind,
        "step": "",
        "text": row.text,
        "at": row.at,
        "state": "",
        "data": row.data,
        "vm_state": row.data["vm_state"],
    }


def _append(session: Session, vm: Vm, kind: str, text: str, data: dict[str, Any]) -> None:
    row = DriftEntry(
        id=new_id(),
        vm_id=vm.id,
        project_id=vm.project_id,
        kind=str(kind),
        text=text,
        data={**data, "vm_state": vm.state},
        at=time.time(),
        **numbered(session),
    )
    session.add(row)
    session.info.setdefault(EVENTS, []).append(drift_message(row))
