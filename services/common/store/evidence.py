# SPDX-License-Identifier: Apache-2.0
"""Evidence: what was seen of a vm from outside, asked of its host and kept when the answer comes."""

import time

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.commands import Command, Verb
from services.common.contracts.ids import new_id
from services.common.store import outbox
from services.common.store.base import Base, Id, Key, Long
from services.common.store.vms import Vm

# Whoever asks waits this long: then the host is silent.
PATIENCE_S = 5.0


class Evidence(Base):
    """One look at a vm. `id` is the command's that asked for it; `taken_at` is empty until the host has answered."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("ix_evidence_vm_id_asked_at", "vm_id", "asked_at"),
        Index("ix_evidence_job_id", "job_id"),
        Index("ix_evidence_until", "until"),
    )
    id: Mapped[Key]
    vm_id: Mapped[Id]
    host_id: Mapped[Id]
    job_id: Mapped[Id | None]  # the job that stalled or whose guest failed; none where somebody just looked
    asked_at: Mapped[float]
    until: Mapped[float | None]  # the job goes on then, or with the answer
    taken_at: Mapped[float | None]
    console: Mapped[Long] = mapped_column(default="")
    screenshot: Mapped[bytes | None] = mapped_column(LargeBinary)
    note: Mapped[Long] = mapped_column(default="")


def look(session: Session, vm: Vm, platform: str, job_id: str | None = None) -> Evidence:
    """Ask the vm's host what can be seen of it now; with `job_id` that job waits for the answer, for a while."""
    if not vm.host_id:
        raise ValueError(f"vm {vm.id} is on no host")
    now = time.time()
    until = now + PATIENCE_S if job_id else None
    row = Evidence(id=new_id(), vm_id=vm.id, host_id=vm.host_id, job_id=job_id, asked_at=now, until=until)
    session.add(row)
    command = Command(
        id=row.id,
        verb=Verb.EVIDENCE,
        host=vm.host_id,
        vm=vm.id,
        job="",
        step="evidence",
        fence=vm.fence,
        platform=platform,
        timeout_s=PATIENCE_S,
    )
    outbox.put(session, command=command)
    return row
