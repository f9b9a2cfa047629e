# SPDX-License-Identifier: Apache-2.0
"""What guests told the api over HTTPS becomes the same fact that agents hand on, recorded in the same place."""

from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from services.common.contracts.errors import TryAgain
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.guests import GuestMessage
from services.common.store.vms import Vm

log = get_logger(__name__)
BATCH = 200


class Inbox:
    """A message is forgotten once it is recorded; one recorded twice changes nothing the second time."""

    def __init__(self, database: Database, record: Callable[[AgentEvent], None]):
        self._database = database
        self._record = record

    def drain(self) -> int:
        """Record what there is, oldest first; how much it was."""
        oldest = select(GuestMessage, Vm.host_id).outerjoin(Vm, Vm.id == GuestMessage.vm_id)
        with self._database.read() as session:
            rows = session.execute(oldest.order_by(GuestMessage.id).limit(BATCH)).all()
        for row, host in rows:
            event = AgentEvent(str(row.id), AgentEventKind.GUEST, host or "", row.at, row.vm_id, data=row.message)
            # The database is busy or away: the message waits. Anything else must not hold up those behind it.
            with going_on(log, "a guest's message was not recorded", (OperationalError, TryAgain), vm=row.vm_id):
                self._record(event)
            with self._database.write() as session:
                session.execute(delete(GuestMessage).where(GuestMessage.id == row.id))
        return len(rows)
