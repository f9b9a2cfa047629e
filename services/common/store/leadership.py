# SPDX-License-Identifier: Apache-2.0
"""Work that one conductor does at a time: a row with an expiry, taken by compare-and-swap."""

import os
import socket
import time

from sqlalchemy import or_, update
from sqlalchemy.exc import IntegrityError

from services.common.store.database import Database
from services.common.store.hosts import Leader

TTL_S = 4.0


class Leadership:
    """Holds, or tries to take, one role."""

    def __init__(self, database: Database, role: str):
        self._database = database
        self._role = role
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{time.time_ns()}"
        self._until = 0.0

    def held(self) -> bool:
        """Whether the role is ours right now; renews it when half its time is over."""
        now = time.time()
        if self._until - now > TTL_S / 2:
            return True
        free = or_(Leader.owner == self._owner, Leader.until < now)
        values = {"owner": self._owner, "until": now + TTL_S}
        with self._database.write() as session:
            change = update(Leader).where(Leader.role == self._role, free).values(**values).returning(Leader.role)
            taken = session.execute(change).first() is not None
            known = taken or session.get(Leader, self._role) is not None
        if not known:
            taken = self._first(now)
        self._until = now + TTL_S if taken else 0.0
        return taken

    def _first(self, now: float) -> bool:
        try:
            with self._database.write() as session:
                session.add(Leader(role=self._role, owner=self._owner, until=now + TTL_S))
        except IntegrityError:
            return False
        return True
