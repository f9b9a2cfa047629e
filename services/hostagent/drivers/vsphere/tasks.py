# SPDX-License-Identifier: Apache-2.0
"""Following the server's tasks: one look, since many are done at once, then woken by each change."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.errors import TryAgain
from services.hostagent.drivers.vsphere.collector import collecting, of, retrieve
from services.hostagent.drivers.vsphere.session import Seat, Session

_Q = vmodl.query.PropertyCollector
_PATHS = ("info.state", "info.error", "info.result", "info.progress")
_WAIT_S = 15  # at a time: less than a connection may be silent
DEADLINE_S = 600.0

State = dict[str, Any]  # of an object: those of its properties that are watched


@dataclass(frozen=True)
class Watched:
    """An object of the server's that will be over once; `still` says of a state how it is meanwhile."""

    ref: Any
    kind: Any
    paths: tuple[str, ...]
    over: Callable[[State], bool]
    still: Callable[[State], str]


def finish(session: Session, doing: str, task: Any, deadline_s: float = DEADLINE_S) -> Any:
    """The task's result. Its fault becomes ours; TryAgain when it still runs at the deadline."""
    state = settled(session, doing, Watched(task, vim.Task, _PATHS, _is_over, _still), deadline_s)
    refuse(session, doing, state.get("info.error"))
    return state.get("info.result")


def settled(session: Session, doing: str, watched: Watched, deadline_s: float) -> State:
    """The object's state once it is over; TryAgain when it isn't at the deadline."""
    state = session.call(doing, lambda seat: _looked(seat, watched))
    if not watched.over(state):
        state = _Followed(session, doing, watched).to_the_end(time.monotonic() + deadline_s, state)
    return state


def refuse(session: Session, doing: str, fault: Exception | None) -> None:
    """Raise a fault that the server has told of, as ours."""
    if fault is not None:
        session.call(doing, lambda _seat: _raise(fault))


class _Followed:
    """One object, by a collector of its own: others' changes wake nobody."""

    def __init__(self, session: Session, doing: str, watched: Watched) -> None:
        self._session, self._doing, self._watched = session, doing, watched

    def to_the_end(self, deadline: float, state: State) -> State:
        """The state once it is over. A sign-out in the middle: followed anew."""
        while not self._watched.over(state):
            state = self._session.call(self._doing, lambda seat: self._follow(seat, deadline), waits=True)
        return state

    def _follow(self, seat: Seat, deadline: float) -> State:
        with collecting(seat, of([self._watched.ref], self._watched.kind, self._watched.paths)) as collector:
            state: State = {}
            version = ""
            while not self._watched.over(state):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TryAgain(f"{self._doing}: {self._watched.still(state)}")
                options = _Q.WaitOptions(maxWaitSeconds=max(1, min(_WAIT_S, int(left))))
                update = collector.WaitForUpdatesEx(version, options)
                if update is not None:
                    version = update.version
                    state |= _changes(update)
            return state


def _looked(seat: Seat, watched: Watched) -> State:
    found = retrieve(seat, of([watched.ref], watched.kind, watched.paths))
    return found[0].properties if found else {}


def _changes(update: Any) -> State:
    objects = [item for filtered in update.filterSet for item in filtered.objectSet]
    return {change.name: change.val for item in objects for change in item.changeSet}


def _is_over(state: State) -> bool:
    return state.get("info.state") in (vim.TaskInfo.State.success, vim.TaskInfo.State.error)


def _still(state: State) -> str:
    return f"still {state.get('info.state')} at {state.get('info.progress') or 0} %"


def _raise(error: Exception) -> None:
    raise error
