# SPDX-License-Identifier: Apache-2.0
"""The stack's parent: starts a table of processes in order, restarts what crashes, and ends exactly what it started.

`python -m deploy.local.supervisor` becomes a daemon and runs the table of `processes.py` until SIGTERM.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local.child import Child
from deploy.local.pid import Pid, end
from deploy.local.servers.base import ServerError
from deploy.local.spec import Spec, layers
from deploy.local.state import State, held

_SUBREAPER = 36
SPARE_S = 10.0  # for killing those that don't end


class Supervisor:
    """Runs `specs` and keeps `state_file` true."""

    def __init__(self, specs: Sequence[Spec], state_file: Path, stack: Path) -> None:
        self._layers = layers(specs)
        self._children = {spec.name: Child(spec, str(stack)) for spec in specs}
        self._file = state_file
        self._state = State("starting", supervisor=Pid.of(os.getpid()))
        self._state.patience = SPARE_S + sum(
            max(self._children[name].spec.grace for name in layer) for layer in self._layers
        )
        self._state.processes = {name: child.process for name, child in self._children.items()}
        self._stopping = False
        self._saved = ""

    def run(self) -> int:
        """Work until SIGTERM or a failed one-shot; 0 after an orderly end, 1 after a failure."""
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        waker = self._catch_signals()
        while not self._stopping:
            self._reap()
            self._start_those_that_may()
            busy = [child.look() or child.process.state == "starting" for child in self._children.values()]
            self._note_phase()
            if self._state.phase == "failed":
                break
            if select.select([waker], [], [], 0.05 if any(busy) else 0.5)[0]:
                os.read(waker, 4096)
        return self._finish()

    def _catch_signals(self) -> int:
        waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return waker

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_those_that_may(self) -> None:
        for child in self._children.values():
            if child.may_start() and all(self._children[name].settled for name in child.spec.after):
                child.start()
                self._save()

    def _reap(self) -> None:
        """Take every ended process; its number stays ours until its session is cleaned (WNOWAIT)."""
        mains = {c.process.pid.pid: c for c in self._children.values() if c.process.pid}
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            child = mains.pop(found.si_pid, None)
            if child is not None:
                child.ended(found.si_status if found.si_code == os.CLD_EXITED else -found.si_status)
            os.waitpid(found.si_pid, 0)

    def _note_phase(self) -> None:
        children = self._children.values()
        failed = [child for child in children if child.process.state == "failed"]
        if failed:
            self._state.phase, self._state.error = "failed", failed[0].failure
        elif self._state.phase == "starting" and all(c.settled for c in children if c.counts):
            self._state.phase = "running"
        self._save()

    def _save(self) -> None:
        """Write the file when something changed."""
        now = repr(self._state)
        if now != self._saved:
            self._state.save(self._file)
            self._saved = now

    def _finish(self) -> int:
        """End everything, dependents first; each layer asked politely, then killed."""
        failed = self._state.phase == "failed"
        if not failed:
            self._state.phase = "stopping"
        for layer in reversed(self._layers):
            self._end_layer([self._children[name] for name in layer])
            self._save()
        self._state.phase = "failed" if failed else "stopped"
        self._state.supervisor = None
        self._save()
        return 1 if failed else 0

    def _end_layer(self, children: list[Child]) -> None:
        living = [(child, child.process.pid, child.family()) for child in children if child.process.pid]
        begun = time.monotonic()
        for child, pid, _ in living:
            pid.send(child.spec.stop_signal)
            child.process.state = "ending"
        while living:
            self._save()  # `down` tells who is waited for
            time.sleep(0.02)
            late = time.monotonic() - begun
            for child, pid, members in [one for one in living if not one[1].alive() or late > one[0].spec.grace]:
                child.process.state = "killed" if pid.alive() else "stopped"
                end([*members, *child.family()], 0.0, signal.SIGKILL)
                child.process.pid, child.process.members = None, []
                living.remove((child, pid, members))


def end_leftovers(state_file: Path, root: Path) -> list[Pid]:
    """End what a supervisor that was killed left running; returns what was found."""
    found = State.load(state_file).leftovers(root)
    end(found, 5.0)
    return found


def daemonize(log: Path) -> None:
    """Leave the caller's session and terminal for good; everything said from here on goes to `log`."""
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (fd, 1), (fd, 2)):
        os.dup2(source, target)


def main() -> int:
    """Become the stack's supervisor; 3 when another one is at work."""
    from deploy.local.home import Home
    from deploy.local.processes import table

    home = Home.default()
    if os.fork():
        return 0
    daemonize(home.log("supervisor"))
    with held(home.lock_file) as mine:
        if not mine:
            return 3
        end_leftovers(home.state_file, home.root)
        try:
            supervisor = Supervisor(table(home), home.state_file, home.root)
        except (ServerError, OSError, ValueError) as error:
            State("failed", str(error)).save(home.state_file)
            return 1
        return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
