# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.support.respawning`: a host agent that is started again whenever it is killed.

Each is a process of its own, forked from one that has imported all it needs: a start costs no imports.
"""

import os
import signal
import sys
from importlib import import_module
from types import FrameType

from services.hostagent import __main__ as agent
from services.hostagent.drivers import DRIVERS


def _forked() -> int:
    child = os.fork()
    if child:
        return child
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ended = 1
    try:
        ended = agent.main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended)


def keep_alive() -> int:
    """Until the agent ends by itself, or by SIGTERM; how it ended."""
    child = 0

    def passed_on(number: int, _frame: FrameType | None) -> None:
        if child:
            os.kill(child, number)

    signal.signal(signal.SIGTERM, passed_on)
    while True:
        child = _forked()
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        import_module(DRIVERS[word].partition(":")[0])
    sys.exit(keep_alive())
