# SPDX-License-Identifier: Apache-2.0
"""Keeps what hosts tell of all they have, for whoever asked."""

import time

from services.common.contracts.codec import dump
from services.common.contracts.events import AgentEvent
from services.common.contracts.survey import read
from services.common.store.database import Database
from services.common.store.surveys import HostSurvey


class Surveyor:
    """Records surveys; one that nobody asked that host for is dropped."""

    def __init__(self, database: Database):
        self._database = database

    def record(self, event: AgentEvent) -> None:
        """A host's answer."""
        told = read(event.data)
        with self._database.write() as session:
            row = session.get(HostSurvey, event.command)
            if row is None or row.host_id != event.host or row.taken_at is not None:
                return
            row.taken_at = time.time()
            row.found, row.note = dump(list(told.found)), told.note
