# SPDX-License-Identifier: Apache-2.0
"""Keeps the broker's queues and users as they must be, also after its disk was wiped."""

import time

from sqlalchemy import select

from services.common.contracts.errors import TryAgain
from services.common.runtime.broker_admin import BrokerAdmin
from services.common.runtime.bus import BROKER_AWAY, Publisher, every_queue
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.hosts import Host

log = get_logger(__name__)
QUEUES_EVERY_S = 2.0
# A queue that was there on this connection has gone only if somebody deleted it: a broker that was wiped hung up.
ALL_QUEUES_EVERY_S = 10.0
USERS_EVERY_S = 5.0
DEAD_AFTER = 3
_HOSTS = select(Host.id, Host.broker_password_hash)


class Topology:
    """Declares queues whenever they might be gone, and users that are not as they must be."""

    def __init__(self, database: Database, publisher: Publisher, admin: BrokerAdmin):
        self._database = database
        self._publisher = publisher
        self._admin = admin
        self._queues_at = 0.0
        self._all_at = 0.0
        self._there: set[str] = set()  # queues declared since then, on one connection
        self._users_at = 0.0
        self._dead: dict[str, int] = {}

    def keep(self) -> None:
        """Do what is due; a broker that is away is looked for again at the next call."""
        now = time.monotonic()
        if now - self._queues_at < QUEUES_EVERY_S:
            return
        with self._database.look() as connection:
            hosts = connection.execute(_HOSTS).all()
        try:
            if self._queues([host for host, _ in hosts], now):
                self._queues_at = now
            if now - self._users_at >= USERS_EVERY_S:
                self._admin.ensure_hosts({host: known for host, known in hosts if known})
                self._users_at = now
        except TryAgain as error:
            log.warning("the broker could not be looked after", reason=error.detail)

    def _queues(self, hosts: list[str], now: float) -> bool:
        if now - self._all_at >= ALL_QUEUES_EVERY_S:
            self._all_at = now
            self._there.clear()
        first, *others = every_queue(hosts)  # by the first one it shows whether the connection still holds
        for queue in (first, *(other for other in others if other.name not in self._there)):
            try:
                self._publisher.declare(queue)
                self._there.add(queue.name)
                self._dead.pop(queue.name, None)
            except BROKER_AWAY as error:
                self._there.clear()
                log.warning("a queue could not be declared", queue=queue.name, reason=str(error))
                self._dead = {queue.name: self._dead.get(queue.name, 0) + 1}
                if self._dead[queue.name] >= DEAD_AFTER:
                    # A quorum queue that died within a second of its making has no leader for ever. What it held
                    # is rung and sent again; what matters is that it can be used.
                    self._admin.drop_queue(queue.name)
                return False
        return True
