# SPDX-License-Identifier: Apache-2.0
"""Masters on this host that none of its vms needs, removed when nobody has asked for them for a while.

A vm needs what its directory notes (Artifacts.resolve), and what its disks stand on by their own headers. Where that
can't be known of any vm, nothing is removed: a vm without its master is lost.
"""

import re
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from services.common.formats.qcow2_header import backing_of
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.hostagent import metrics
from services.hostagent.artifacts import Artifacts
from services.hostagent.drivers.vm_files import VmFiles

log = get_logger(__name__)
EVERY_S = 600.0
_MASTER = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.part")  # the latter: half a download of an agent that was killed
_LONGEST_CHAIN = 16

Keep = Callable[[Collection[str]], object]  # what was made of other masters than these may go


def _nothing(_kept: Collection[str]) -> None:
    """Nothing was made of them."""


class Masters:
    """Looks now and then, from its own thread. `keep_s` 0: nothing is ever removed."""

    def __init__(
        self, files: VmFiles, artifacts: Artifacts, keep_s: float, keep: Keep = _nothing, every_s: float = EVERY_S
    ) -> None:
        self._files, self._artifacts, self._keep = files, artifacts, keep
        self._keep_s, self._every_s = keep_s, every_s
        self._began = time.time()  # a master that only an earlier process was asked for counts from here
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="masters", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._keep_s:
            self._thread.start()

    def stop(self) -> None:
        """End after the present look."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def collect(self, now: float) -> list[str]:
        """Remove what nobody needs; the names of what went."""
        since = now - self._keep_s
        if not self._keep_s or self._began >= since:
            return []
        idle = [path for path in sorted(self._files.masters.iterdir()) if _MASTER.fullmatch(path.name)]
        idle = [path for path in idle if path.stat().st_mtime < since]
        needed = self._needed() if idle else None
        if needed is None:
            return []
        return [p.name for p in idle if p.name not in needed and self._artifacts.drop(p, since)]

    def tidy(self, now: float) -> None:
        """What was made of masters that are gone goes, too; not before its time."""
        if self._keep_s and self._began < now - self._keep_s:
            self._keep(self._files.kept_masters())

    def _needed(self) -> set[str] | None:
        """The masters of all vms of this host; None when that can't be known now."""
        needed: set[str] = set()
        for vm in self._files.known():
            noted = self._files.masters_of(vm)
            if noted is None:
                log.info("no master is removed: it is not known which ones a vm needs", vm=vm)
                return None
            needed |= noted
            needed |= {name for path in self._files.vm(vm).glob("*") if path.is_file() for name in self._under(path)}
        return needed

    def _under(self, path: Path) -> set[str]:
        """The masters a disk stands on, by the headers of the images in between."""
        found: set[str] = set()
        below = backing_of(path)
        for _ in range(_LONGEST_CHAIN):
            if below is None:
                break
            if below.parent == self._files.masters.resolve():
                found.add(below.name)
            below = backing_of(below) if below.is_file() else None
        return found

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            with going_on(log, "masters were not looked through"):
                gone = self.collect(time.time())
                if gone:
                    metrics.MASTERS_DROPPED.inc(len(gone))
                    log.info("masters nobody needs were removed", names=gone)
            with going_on(log, "what was made of masters was not looked through"):
                self.tidy(time.time())
