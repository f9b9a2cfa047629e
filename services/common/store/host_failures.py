# SPDX-License-Identifier: Apache-2.0
"""How often steps failed on each host: numbers that fade with time."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ForeignKey, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.placement import FADES
from services.common.store.base import Base, Id, JsonList
from services.common.store.hosts import Host
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together

HALF_LIFE_S = 3600.0
_FORGOTTEN = 24  # half-lives: nothing is left that could tell two hosts apart


class HostFailure(Base):
    """One row a host where a step has ever failed; everything is as it was at the last of them.

    `amount` fades by half in an hour, `others` by contracts.placement.FADES. A number that fades can be kept without
    the failures it came from, but for its own half-life only: so there are a few to choose from.
    """

    __tablename__ = "host_failures"
    host_id: Mapped[Id] = mapped_column(ForeignKey("hosts.id", ondelete="CASCADE"), primary_key=True)
    amount: Mapped[float]
    others: Mapped[JsonList] = mapped_column(default=list, server_default=text("'[]'"))
    at: Mapped[float]


FAILURES = table_of(HostFailure)


@dataclass(frozen=True)
class Failed:
    """What is left of a host's failures: of an hour's half-life, and of each in FADES."""

    amount: float
    others: tuple[float, ...]


def count_failure(session: Session, host_id: str, now: float) -> None:
    """A step failed on this host; fine where it has been removed meanwhile."""
    if session.get(Host, host_id) is None:
        return
    before = session.get(HostFailure, host_id, populate_existing=True)
    left = _left(before.amount, before.others, now - before.at) if before else Failed(0.0, (0.0,) * len(FADES))
    told = {"amount": 1.0 + left.amount, "others": [1.0 + amount for amount in left.others], "at": now}
    write_together(session, [Row(FAILURES, {"host_id": host_id, **told}, How.UPSERT)])


def failures(session: Session, now: float) -> dict[str, Failed]:
    """What is left of each host's failures now; hosts without any lately aren't there."""
    lately = select(FAILURES).where(FAILURES.c.at > now - _FORGOTTEN * max(FADES))
    return {row.host_id: _left(row.amount, row.others, now - row.at) for row in session.execute(lately)}


def faded(amount: float, age_s: float, half_life_s: float = HALF_LIFE_S) -> float:
    """What is left of it; clocks that step back don't make it more."""
    return float(amount * 0.5 ** (max(0.0, age_s) / half_life_s))


def _left(amount: float, others: Sequence[float], age_s: float) -> Failed:
    known = others or (0.0,) * len(FADES)  # a row of before there were others
    return Failed(
        faded(amount, age_s),
        tuple(faded(one, age_s, half_life) for one, half_life in zip(known, FADES, strict=True)),
    )
