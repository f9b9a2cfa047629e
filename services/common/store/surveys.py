# SPDX-License-Identifier: Apache-2.0
"""Surveys: what hosts were asked to tell of all they have, and what they told."""

import time

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.commands import Command, Verb
from services.common.contracts.ids import new_id
from services.common.store import outbox
from services.common.store.base import Base, Id, JsonList, Key, Long

# A host that takes longer for it is told of as one that could not be read.
PATIENCE_S = 10.0


class HostSurvey(Base):
    """One survey. `id` is the command's that asked for it; `taken_at` is empty until the host has answered."""

    __tablename__ = "host_surveys"
    __table_args__ = (Index("ix_host_surveys_asked_at", "asked_at"),)
    id: Mapped[Key]
    host_id: Mapped[Id]
    asked_at: Mapped[float]
    taken_at: Mapped[float | None]
    found: Mapped[JsonList] = mapped_column(default=list)  # contracts.survey.Found
    note: Mapped[Long] = mapped_column(default="")


def survey(session: Session, host_id: str, platform: str) -> HostSurvey:
    """Ask a host for all that it has."""
    row = HostSurvey(id=new_id(), host_id=host_id, asked_at=time.time(), taken_at=None, found=[], note="")
    session.add(row)
    command = Command(
        id=row.id,
        verb=Verb.SURVEY,
        host=host_id,
        vm=host_id,
        job="",
        step="survey",
        fence=0,
        platform=platform,
        timeout_s=PATIENCE_S,
    )
    outbox.put(session, command=command)
    return row
