# SPDX-License-Identifier: Apache-2.0
"""Events as they are shown, from the table and from the feed alike."""

from collections.abc import Mapping
from typing import Any

from services.api.views.masking import masked_event
from services.api.views.moments import moment
from services.common.contracts.events import JobEventKind as K
from services.common.contracts.states import JobState as J
from services.common.store.appending import event_message
from services.common.store.models import JobEvent

JsonDict = dict[str, Any]
# The table keeps no state beside an event; what the job had become with it follows from its kind.
_BECAME: Mapping[str, J] = {
    K.QUEUED: J.QUEUED,
    K.STEP_PARKED: J.WAITING,
    K.PHASE: J.WAITING,
    K.STALLED: J.STALLED,
    K.UNDO_STARTED: J.UNDOING,
    K.SUCCEEDED: J.SUCCEEDED,
    K.FAILED: J.FAILED,
    K.CANCELLED: J.CANCELLED,
}


def stored(row: JobEvent, names: bool) -> JsonDict:
    """An event of the table; `names`: whether the reader may know hosts."""
    columns = {c.key: getattr(row, c.key) for c in JobEvent.__table__.columns}
    return shown(event_message(columns, str(_BECAME.get(row.kind, J.RUNNING))), names)


def shown(message: Mapping[str, Any], names: bool) -> JsonDict:
    """A message of the feed; progress has no seq."""
    at = message.get("at")
    return {**(message if names else masked_event(message)), "at": moment(at) if isinstance(at, int | float) else at}
