# SPDX-License-Identifier: Apache-2.0
"""The relay: sends what is still in the outbox after a moment, and forgets a row only when the broker has it.

Whoever commits a row rings for it at once (services.common.runtime.dispatch), but the api hands its rows over through
Redis. What the relay finds in the table was left behind by a process that died, or by a broker that was away.
Every relay hears what is handed over; the one that has the role sends it. Without one it is sent a moment later.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from services.common.contracts.topics import OUTBOX_CHANNEL
from services.common.runtime.bus import BROKER_AWAY
from services.common.runtime.dispatch import Dispatcher, UnreadableRow
from services.common.runtime.failpoints import hit
from services.common.runtime.feed import Feed, Subscription
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.common.store import outbox
from services.common.store.database import Database

log = get_logger(__name__)
BATCH = 100
# Younger rows are in the hands of those who wrote them.
LEFT_BEHIND_S = 0.5
LOOK_S = 0.5
AWAY_S = 0.2  # while Redis, by which the api hands its rows over, is away
_ROWS = (
    select(outbox.OUTBOX)
    .where(outbox.OUTBOX.c.created_at < bindparam("before"))
    .order_by(outbox.OUTBOX.c.id)
    .limit(BATCH)
)

_ANY = select(outbox.OUTBOX.c.id).where(outbox.OUTBOX.c.created_at < bindparam("before")).limit(1)


class Relay:
    """One thread's work; several relays may run, on PostgreSQL they share the rows, elsewhere doubles are harmless."""

    def __init__(self, database: Database, dispatcher: Dispatcher, feed: Feed, ours: Callable[[], bool]):
        self._database = database
        self._dispatcher = dispatcher
        self._feed = feed
        self._ours = ours  # whether this relay is to send what was handed over

    def run(self, stopping: threading.Event) -> None:
        """Relay until told to stop."""
        with self._feed.listen([OUTBOX_CHANNEL]) as handed:
            self._run(stopping, handed)

    def _run(self, stopping: threading.Event, handed: Subscription) -> None:
        looked = 0.0
        while not stopping.is_set():
            try:
                # The database may be away or busy: the rows stay where they are.
                with going_on(log, "relaying failed", BROKER_AWAY) as course:
                    began = time.monotonic()
                    message = handed.get(LOOK_S if handed.hears else AWAY_S)
                    ours = self._ours()  # asked even where nothing comes: a role must be renewed
                    if message is not None and ours:
                        self.pass_on(message["rows"])
                    elif not handed.hears and time.monotonic() - began < AWAY_S / 2:
                        stopping.wait(AWAY_S)  # it said so at once
                    if not handed.hears or time.monotonic() - looked >= LOOK_S:
                        self.drain()
                        looked = time.monotonic()
                if course.broke:
                    stopping.wait(0.5)
            except BROKER_AWAY as error:
                log.warning("the broker is away; the outbox waits", reason=str(error))
                stopping.wait(0.3)

    def pass_on(self, rows: Sequence[Any]) -> None:
        """Send rows that the api has just committed and handed over."""
        sent, broken = self._send(rows)
        if sent:
            with self._database.write() as session:
                outbox.confirmed(session, sent)
        if broken is not None:
            raise broken

    def drain(self) -> int:
        """Send what there is; how many rows went out."""
        before = {"before": time.time() - LEFT_BEHIND_S}
        if self._database.is_sqlite:
            with self._database.read() as session:
                rows = session.execute(_ROWS, before).mappings().all()
            sent, broken = self._send(rows)
            if sent:
                with self._database.write() as session:
                    outbox.confirmed(session, sent)
        else:
            with self._database.look() as connection:
                if connection.execute(_ANY, before).first() is None:
                    return 0
            # Rows stay locked until they are gone: a second relay takes others meanwhile.
            with self._database.write() as session:
                locked = _ROWS.with_for_update(skip_locked=True)
                sent, broken = self._send(session.execute(locked, before).mappings().all())
                if sent:
                    outbox.confirmed(session, sent)
        hit("relay.after-forget")
        if broken is not None:
            raise broken
        return len(sent)

    def _send(self, rows: Sequence[Any]) -> tuple[list[int], Exception | None]:
        sent: list[int] = []
        broken: dict[str, Exception] = {}
        for row in rows:
            if row["target"] in broken:
                continue
            try:
                self._dispatcher.send(row)
            except BROKER_AWAY as error:
                # One queue that answers nothing must not hold up the others; two, and the broker is away.
                broken[row["target"]] = error
                if len(broken) > 1:
                    break
                continue
            except UnreadableRow as error:
                # Those behind it must not wait for ever. The sweeper sends the command again, from the job.
                log.error("an unreadable row of the outbox is dropped", reason=str(error))
            sent.append(row["id"])
        return sent, next(iter(broken.values()), None)
