# SPDX-License-Identifier: Apache-2.0
"""Machine code made ready beside the work: until it is there nobody waits for it.

`python -m services.scheduler.engine.warm` makes it in the folder where schedulers look for it, such as in an image.
"""

import atexit
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from services.common.contracts.placement import HostView, Request
from services.common.runtime.going_on import going_on
from services.common.runtime.lasting import keep_what_is_there
from services.common.runtime.log import get_logger
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES, FOLDER
from services.scheduler.engine.table import HostTable
from services.scheduler.policy_file import DEFAULT, Shelf

log = get_logger(__name__)


class Warmth:
    """`there` says whether compiled code may be called without waiting for it; never where nothing compiles."""

    def __init__(self, there: bool = False):
        self.there = there

    def start(self) -> "Warmth":
        """Make the code ready in a thread of its own, which dies with the process."""
        if COMPILES and not self.there:
            threading.Thread(target=self._make, name="warm", daemon=True).start()
        return self

    def _make(self) -> None:
        with going_on(log, "machine code can't be made; decisions stay with array operations"):
            if FOLDER and not any(Path(FOLDER).iterdir()):
                _made_apart()
            took = warm()
            keep_what_is_there()
            self.there = True
            log.info("machine code is ready", seconds=round(took, 1), kept_in=FOLDER)


def _made_apart() -> None:
    """Have it compiled by another process, which keeps it: a compiler at work stops all threads of its own for seconds.

    Where that fails it is compiled here.
    """
    maker = subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.DEVNULL)
    atexit.register(maker.terminate)
    if maker.wait():
        log.warning("machine code could not be made apart", exit=maker.returncode)
    atexit.unregister(maker.terminate)


def warm() -> float:
    """Have everything compiled that decisions call, or read what was compiled before; how many seconds it took."""
    begun = time.perf_counter()
    host = HostView("h", "h", "fake", "up", "", (), vcpus=8, memory_mib=8192, disk_gib=100)
    engine = Engine(Shelf().get(DEFAULT), HostTable([host]), compiles=True)
    for size in (1, 2, 2, 9):  # met for the first time, again, and refused
        engine.explain(Request("vm", size, 1024, 10))
    return time.perf_counter() - begun


if __name__ == "__main__":
    if not COMPILES:
        sys.exit("Numba isn't installed; it comes with the extra scheduler-fast")
    os.nice(10)  # whoever waits for it has work to do meanwhile
    sys.stdout.write(f"machine code made in {warm():.1f} s, kept in {FOLDER or 'no folder: none can be written'}\n")
