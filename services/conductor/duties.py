# SPDX-License-Identifier: Apache-2.0
"""What a conductor does again and again while it has a role; another conductor does it while it has not."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.common.store.leadership import Leadership

log = get_logger(__name__)
Work = Callable[[], object]
TICK_S = 0.1  # at least; and who hasn't got the role asks for it this often
LONGEST_S = 0.5  # a role is to be renewed, and a loss to be noticed, however seldom there is work


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Duties:
    """A role, and a table of work with its intervals; `lost` is called once each time the role has gone.

    Work with the interval 0 is done each time that any other is due.
    """

    role: Leadership
    table: Sequence[tuple[float, Work]]
    lost: Work = _nothing

    def run(self, stopping: threading.Event) -> None:
        """Work until told to stop, then give the role back; one piece that fails doesn't stop the others."""
        due = [0.0 for _ in self.table]
        had = False
        while not stopping.wait(self._pause(due, had)):
            for n, (every_s, work) in enumerate(self.table):
                if not self.role.held() or stopping.is_set():
                    break
                had = True
                if time.monotonic() < due[n]:
                    continue
                due[n] = time.monotonic() + every_s
                with going_on(log, "a sweep failed", work=getattr(work, "__name__", str(work))):
                    work()
            if had and not self.role.held():
                had = False
                log.warning(
                    "a role was lost; what it stands for is another one's until it is ours again", role=self.role.role
                )
                with going_on(log, "a role was not laid down", role=self.role.role):
                    self.lost()
        self.role.release()

    def _pause(self, due: Sequence[float], ours: bool) -> float:
        """Until the next piece of work: whoever wakes for nothing costs a core some per cent."""
        timed = [at for at, (every_s, _) in zip(due, self.table, strict=True) if every_s]
        if not ours or not timed:
            return TICK_S
        return max(TICK_S, min(LONGEST_S, min(timed) - time.monotonic()))
