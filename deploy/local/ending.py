# SPDX-License-Identifier: Apache-2.0
"""The end of the stack, seen from outside: the supervisor gets as long as its services may take, and it is told why."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.pid import Pid, wait_gone
from deploy.local.state import State

Say = Callable[[str], None]
_QUIET_S = 2.0  # most are over by then


def end_all(state_file: Path, supervisor: Pid, say: Say) -> None:
    """Have the supervisor end everything; one that doesn't manage it in its own time is killed."""
    supervisor.send(signal.SIGTERM)
    begun, told = time.monotonic(), ""
    while wait_gone([supervisor], 0.1):
        state, waited = State.load(state_file), time.monotonic() - begun
        ending = _those_that_are(state, "ending")
        if waited > _QUIET_S and ending not in ("", told):
            told = ending
            say(f"  {ending}: finishing what is in hand")
        if waited > state.patience:
            supervisor.send(signal.SIGKILL)
    killed = _those_that_are(State.load(state_file), "killed")
    if killed:
        say(f"  {killed}: killed, since the time to finish was over")


def _those_that_are(state: State, what: str) -> str:
    return ", ".join(name for name, process in state.processes.items() if process.state == what)
