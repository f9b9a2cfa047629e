# SPDX-License-Identifier: Apache-2.0
"""Several busy schedulers keep out of each other's way: each prefers its own share of the hosts that are equally good.

Who is busy stands in the database for a while. A share is drawn by hashes, so that one scheduler more takes hosts from
all the others and moves none between them. It is a preference only: who finds nothing in its share takes what there is.
"""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.hosts import Leader
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together

log = get_logger(__name__)
FEW = 8  # jobs in a batch: who has no more rarely meets another
BUSY_S = 30.0  # who had a large batch counts as busy for this long
RENEW_S = 1.0
WIDE = 24  # hosts looked at for each busy scheduler, until one of its own is found
MOST_WIDE = 256
LEADERS = table_of(Leader)
_ROLE = "place/"


class Own:
    """The hosts that one of several schedulers prefers."""

    def __init__(self, me: str, all_: frozenset[str]):
        self.me = me
        self.all = all_
        self._mine: dict[str, bool] = {}

    @cached_property
    def width(self) -> int:
        """How many of the best hosts are worth a look: one in as many as there are schedulers is ours."""
        return min(MOST_WIDE, WIDE * len(self.all))

    def has(self, host_id: str) -> bool:
        """Whether the host is in this share: it is in exactly one."""
        mine = self._mine.get(host_id)
        if mine is None:
            mine = self._mine[host_id] = max(self.all, key=lambda name: _draw(name, host_id)) == self.me
        return mine

    def among(self, host_ids: Sequence[str]) -> str:
        """The first of these hosts that is in the share; else one drawn by this scheduler's name."""
        mine = next((host for host in host_ids if self.has(host)), None)
        return mine or max(host_ids, key=lambda host: _draw(self.me, host))


class Shares:
    """This scheduler among others; `changed` is called where others are busy than before. Not for several threads."""

    def __init__(
        self,
        database: Database,
        me: str,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ):
        self._database = database
        self._me = _short(me)
        self._clock = clock
        self._changed = changed
        self._renewed = 0.0
        self._share: Own | None = None

    def for_batch(self, jobs: int) -> Own | None:
        """The share for a batch of so many jobs; None where none is needed: few jobs, or nobody else is busy."""
        if jobs <= FEW:
            return None
        now = self._clock()
        if now - self._renewed >= RENEW_S:
            busy = self._told(now)
            if self._share is None or self._share.all != busy:
                self._share = Own(self._me, busy)
                self._changed()
            self._renewed = now
        return self._share if self._share and len(self._share.all) > 1 else None

    def crowded(self) -> None:
        """Others were faster: look with the next batch who is busy."""
        self._renewed = 0.0

    def leave(self) -> None:
        """Be busy no more: nobody needs to leave hosts to this one. Should the database be away, it will forget."""
        if self._share is None:
            return
        self._share, self._renewed = None, 0.0
        try:
            with self._database.write() as session:
                session.execute(delete(LEADERS).where(LEADERS.c.role == _ROLE + self._me))
        except SQLAlchemyError as error:
            log.warning("others will keep out of our way for a while", reason=type(error).__name__)

    def _told(self, now: float) -> frozenset[str]:
        """Say that this one is busy; all that are."""
        ours = LEADERS.c.role.startswith(_ROLE)
        row = {"role": _ROLE + self._me, "owner": self._me, "until": now + BUSY_S}
        with self._database.write() as session:
            session.execute(delete(LEADERS).where(ours, LEADERS.c.until < now))
            write_together(session, [Row(LEADERS, row, How.UPSERT)])
            return frozenset(session.scalars(select(LEADERS.c.owner).where(ours)))


def _short(name: str) -> str:
    return blake2b(name.encode(), digest_size=12).hexdigest()


def _draw(name: str, host_id: str) -> bytes:
    return blake2b(f"{name}/{host_id}".encode(), digest_size=8).digest()
