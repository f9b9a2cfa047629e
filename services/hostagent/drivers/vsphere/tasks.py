# SPDX-License-Identifier: Apache-2.0
"""Following the server's tasks: one look, since many are done at once, then woken by each change."""

import time
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.errors import TryAgain
from services.hostagent.drivers.vsphere.collector import collecting, of, retrieve
from services.hostagent.drivers.vsphere.session import Seat, Session

_Q = vmodl.query.PropertyCollector
_PATHS = ("info.state", "info.error", "info.result", "info.progress")
_WAIT_S = 15  # at a time: less than a connection may be silent
DEADLINE_S = 600.0


def finish(session: Session, doing: str, task: Any, deadline_s: float = DEADLINE_S) -> Any:
    """The task's result. Its fault becomes ours; TryAgain when it still runs at the deadline."""
    state = session.call(doing, lambda seat: _looked(seat, task))
    if not _is_over(state):
        state = _Followed(session, doing, task).to_the_end(time.monotonic() + deadline_s, state)
    error = state.get("info.error")
    if error is not None:
        return session.call(doing, lambda _seat: _raise(error))
    return state.get("info.result")


class _Followed:
    """One task, by a collector of its own: others' changes wake nobody."""

    def __init__(self, session: Session, doing: str, task: Any) -> None:
        self._session, self._doing, self._task = session, doing, task

    def to_the_end(self, deadline: float, state: dict[str, Any]) -> dict[str, Any]:
        """The properties of the task once it is over. A sign-out in the middle: followed anew."""
        while not _is_over(state):
            state = self._session.call(self._doing, lambda seat: self._follow(seat, deadline), waits=True)
        return state

    def _follow(self, seat: Seat, deadline: float) -> dict[str, Any]:
        with collecting(seat, of([self._task], vim.Task, _PATHS)) as collector:
            state: dict[str, Any] = {}
            version = ""
            while not _is_over(state):
                left = deadline - time.monotonic()
                if left <= 0:
                    progress = state.get("info.progress")
                    raise TryAgain(f"{self._doing}: still {state.get('info.state')} at {progress or 0} %")
                options = _Q.WaitOptions(maxWaitSeconds=max(1, min(_WAIT_S, int(left))))
                update = collector.WaitForUpdatesEx(version, options)
                if update is not None:
                    version = update.version
                    state |= _changes(update)
            return state


def _looked(seat: Seat, task: Any) -> dict[str, Any]:
    found = retrieve(seat, of([task], vim.Task, _PATHS))
    return found[0].properties if found else {}


def _changes(update: Any) -> dict[str, Any]:
    objects = [item for filtered in update.filterSet for item in filtered.objectSet]
    return {change.name: change.val for item in objects for change in item.changeSet}


def _is_over(state: dict[str, Any]) -> bool:
    return state.get("info.state") in (vim.TaskInfo.State.success, vim.TaskInfo.State.error)


def _raise(error: Exception) -> None:
    raise error
