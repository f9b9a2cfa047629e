# SPDX-License-Identifier: Apache-2.0
"""How often steps failed on each host: one number a host, of which half is left after an hour."""

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.store.base import Base, Id
from services.common.store.hosts import Host
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together

HALF_LIFE_S = 3600.0
_FORGOTTEN_S = 24 * HALF_LIFE_S  # nothing is left that could tell two hosts apart


class HostFailure(Base):
    """One row a host where a step has ever failed; `amount` is as it was at the last of them."""

    __tablename__ = "host_failures"
    host_id: Mapped[Id] = mapped_column(ForeignKey("hosts.id", ondelete="CASCADE"), primary_key=True)
    amount: Mapped[float]
    at: Mapped[float]


FAILURES = table_of(HostFailure)


def count_failure(session: Session, host_id: str, now: float) -> None:
    """A step failed on this host; fine where it has been removed meanwhile."""
    if session.get(Host, host_id) is None:
        return
    before = session.get(HostFailure, host_id, populate_existing=True)
    amount = 1.0 + (faded(before.amount, now - before.at) if before else 0.0)
    write_together(session, [Row(FAILURES, {"host_id": host_id, "amount": amount, "at": now}, How.UPSERT)])


def failures(session: Session, now: float) -> dict[str, float]:
    """What is left of each host's failures now; hosts without any lately aren't there."""
    lately = select(FAILURES).where(FAILURES.c.at > now - _FORGOTTEN_S)
    return {row.host_id: faded(row.amount, now - row.at) for row in session.execute(lately)}


def faded(amount: float, age_s: float) -> float:
    """What is left of it; clocks that step back don't make it more."""
    return float(amount * 0.5 ** (max(0.0, age_s) / HALF_LIFE_S))
