# SPDX-License-Identifier: Apache-2.0
"""The job journal: jobs, their steps, their events by seq, and the outbox the relay rings from."""

from sqlalchemy import BigInteger, FetchedValue, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, Id, JsonDict, JsonList, Key, Long, Name, Word


class Job(Base):
    """What a user asked for. `fence` goes up at each lease; a write with an older fence changes nothing."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_project_id_id", "project_id", "id"),
        Index("ix_jobs_vm_id", "vm_id"),
        Index("ix_jobs_state_due_at", "state", "due_at"),
    )
    id: Mapped[Key]
    project_id: Mapped[Id]
    vm_id: Mapped[Id | None]
    media_id: Mapped[Id | None]
    kind: Mapped[Word]
    state: Mapped[Word]
    step: Mapped[Word]
    queue: Mapped[Word]  # of the present step
    attempt: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    vm_fence: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[Name] = mapped_column(default="")
    lease_until: Mapped[float] = mapped_column(default=0.0)
    due_at: Mapped[float] = mapped_column(default=0.0)
    rung_at: Mapped[float] = mapped_column(default=0.0)
    deadline_at: Mapped[float | None]
    resend_at: Mapped[float | None]
    last_seq: Mapped[int] = mapped_column(default=0)
    params: Mapped[JsonDict] = mapped_column(default=dict)
    facts: Mapped[JsonDict] = mapped_column(default=dict)
    command: Mapped[JsonDict | None]  # what a host was told and has not answered yet
    error: Mapped[JsonDict | None]
    undo: Mapped[JsonList] = mapped_column(default=list)
    ends_as: Mapped[Word] = mapped_column(default="failed")
    vm_before: Mapped[Word] = mapped_column(default="")  # the vm's state before this job
    requested_by: Mapped[Id] = mapped_column(default="")
    trace_id: Mapped[Name] = mapped_column(default="")
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class JobStep(Base):
    """One step of a job: when it began and ended, for people to see and for deadlines to be learned."""

    __tablename__ = "job_steps"
    __table_args__ = (Index("ix_job_steps_learn", "name", "os", "finished_at"),)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[Word] = mapped_column(primary_key=True)
    state: Mapped[Word]  # running | done | failed | undone
    os: Mapped[Word] = mapped_column(default="")
    begun_at: Mapped[float]
    finished_at: Mapped[float | None]


class JobEvent(Base):
    """An event: append-only, seq without gaps within its job."""

    __tablename__ = "job_events"
    __table_args__ = (Index("ix_job_events_project_id_turn", "project_id", "turn"),)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    project_id: Mapped[Id]
    vm_id: Mapped[Id | None]
    kind: Mapped[Word]
    step: Mapped[Word] = mapped_column(default="")
    text: Mapped[Long] = mapped_column(default="")
    data: Mapped[JsonDict] = mapped_column(default=dict)
    at: Mapped[float]
    turn: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class Outbox(Base):
    """A bell or a command to be published; deleted once the broker has confirmed it."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    kind: Mapped[Word]  # bell | command
    target: Mapped[Name]  # queue
    payload: Mapped[JsonDict]  # Bell, or Command unsigned: it is signed when it is published
    created_at: Mapped[float]
