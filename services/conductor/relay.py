# SPDX-License-Identifier: Apache-2.0
"""The relay: publishes the outbox with confirms, and forgets a row only when the broker has it."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from services.common.contracts.codec import load
from services.common.contracts.commands import Artifact, Command
from services.common.contracts.topics import OUTBOX_CHANNEL
from services.common.runtime.bus import BROKER_AWAY, Publisher
from services.common.runtime.failpoints import hit
from services.common.runtime.feed import Feed
from services.common.runtime.keys import Keys
from services.common.runtime.log import get_logger
from services.common.runtime.metrics import RELAYED
from services.common.runtime.signing import sign_command, sign_url
from services.common.store import outbox
from services.common.store.database import Database
from services.common.store.jobs import Outbox
from services.common.store.tables import table_of

log = get_logger(__name__)
BATCH = 100
_TABLE = table_of(Outbox)
_ROWS = select(_TABLE).order_by(_TABLE.c.id).limit(BATCH)
# Without a wake-up call (Redis away) the outbox is looked at this often.
LOOK_S = 0.25


class Relay:
    """One thread's work; several relays may run, on PostgreSQL they share the rows, elsewhere doubles are harmless."""

    def __init__(self, database: Database, publisher: Publisher, keys: Keys, feed: Feed):
        self._database = database
        self._publisher = publisher
        self._keys = keys
        self._feed = feed

    def run(self, stopping: threading.Event) -> None:
        """Relay until told to stop."""
        with self._feed.listen([OUTBOX_CHANNEL]) as wakes:
            while not stopping.is_set():
                try:
                    if self.drain() == 0 and wakes.get(LOOK_S) is None and not self._feed.ping():
                        stopping.wait(LOOK_S)
                except BROKER_AWAY as error:
                    log.warning("the broker is away; the outbox waits", reason=str(error))
                    stopping.wait(0.3)
                except Exception:
                    # The database may be away or busy for a moment: the rows stay where they are.
                    log.exception("relaying failed")
                    stopping.wait(0.5)

    def drain(self) -> int:
        """Publish what there is; how many rows went out."""
        if self._database.is_sqlite:
            with self._database.read() as session:
                rows = session.execute(_ROWS).all()
            sent, broken = self._publish(rows)
            if sent:
                with self._database.write() as session:
                    outbox.confirmed(session, sent)
        else:
            # Rows stay locked until they are gone: a second relay takes others meanwhile.
            with self._database.write() as session:
                sent, broken = self._publish(session.execute(_ROWS.with_for_update(skip_locked=True)).all())
                if sent:
                    outbox.confirmed(session, sent)
        hit("relay.after-forget")
        if broken is not None:
            raise broken
        return len(sent)

    def _publish(self, rows: Sequence[Any]) -> tuple[list[int], Exception | None]:
        sent: list[int] = []
        broken: dict[str, Exception] = {}
        for row in rows:
            if row.target in broken:
                continue
            try:
                hit("relay.before-publish")
                self._send(row)
                hit("relay.after-publish")
            except BROKER_AWAY as error:
                # One queue that answers nothing must not hold up the others; two, and the broker is away.
                broken[row.target] = error
                if len(broken) > 1:
                    break
                continue
            sent.append(row.id)
            RELAYED.labels(row.kind).inc()
        return sent, next(iter(broken.values()), None)

    def _send(self, row: Any) -> None:
        if row.kind == outbox.BELL:
            self._publisher.ring(row.target, row.payload["task"], row.payload["job"])
        else:
            self.send(load(Command, row.payload))

    def send(self, command: Command) -> None:
        """Sign a command, and the URLs in it, and give it to its host."""
        signed = self._with_open_urls(command)
        self._publisher.command(command.host, sign_command(signed, self._keys.command_private_pem))

    def _with_open_urls(self, command: Command) -> Command:
        plan = command.plan
        if plan is None:
            return command
        disks = tuple(replace(d, base=self._open(d.base)) for d in plan.disks)
        opened = replace(plan, disks=disks, kernel=self._open(plan.kernel), initrd=self._open(plan.initrd))
        return replace(command, plan=opened)

    def _open(self, artifact: Artifact | None) -> Artifact | None:
        if artifact is None or not artifact.url:
            return artifact
        return replace(artifact, url=sign_url(artifact.url, self._keys.command_private_pem))


def outbox_age_s(database: Database) -> float:
    """How long the oldest unconfirmed row has waited."""
    with database.read() as session:
        oldest = session.scalars(select(Outbox.created_at).order_by(Outbox.id).limit(1)).first()
    return time.time() - oldest if oldest else 0.0
