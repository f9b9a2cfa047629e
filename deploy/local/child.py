# SPDX-License-Identifier: Apache-2.0
"""One process in the supervisor's hands: start, readiness, crash, end."""

from __future__ import annotations

import signal
import subprocess
import time

from deploy.local.pid import Pid, end, family, session
from deploy.local.servers.base import last_lines
from deploy.local.spec import Spec, backoff
from deploy.local.state import MARK, Process

_STEADY = 30.0  # a process that ran this long starts again at the shortest delay


class Child:
    """Runs one Spec again and again; `process` is what the world may know about it."""

    def __init__(self, spec: Spec, stack: str) -> None:
        self.spec = spec
        self.process = Process(port=spec.port)
        self.failure = ""
        self._stack = stack
        self._failures = 0
        self._started = 0.0
        self._not_before = 0.0

    @property
    def counts(self) -> bool:
        """Whether the stack waits for it."""
        return self.spec.needs is None or self.spec.needs.exists()

    @property
    def settled(self) -> bool:
        """Whether those that come after it may start."""
        return self.process.state in ("ready", "done")

    def may_start(self) -> bool:
        """Whether it waits for nothing but its turn."""
        return self.process.state == "waiting" and self.counts and time.monotonic() >= self._not_before

    def start(self) -> None:
        """Start it in a session of its own, marked as this stack's."""
        with self.spec.log.open("ab") as log:
            popen = subprocess.Popen(
                self.spec.argv,
                env={**self.spec.env, MARK: self._stack},
                cwd=self.spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        popen.returncode = 0  # the supervisor reaps, not subprocess
        self._started = time.monotonic()
        self.process.pid = Pid.of(popen.pid)
        self.process.state = "starting"

    def look(self) -> bool:
        """Ask once whether it became ready; True when it did."""
        if self.process.state != "starting" or self.spec.once or not self.spec.ready():
            return False
        self.process.state = "ready"
        self.process.members = self.family()
        return True

    def ended(self, status: int) -> None:
        """Its main process is a zombie: end what it left in its session, then decide whether to start it again."""
        if self.process.pid is not None:
            end(session(self.process.pid.pid), 0.0, signal.SIGKILL)
        self.process.pid, self.process.members = None, []
        if self.spec.once:
            self.process.state = "done" if status == 0 else "failed"
            lines = "\n".join(last_lines(self.spec.log, 15))
            self.failure = f"{self.spec.name} ended with {status}; last lines of {self.spec.log}:\n{lines}"
            return
        self._failures = 1 if time.monotonic() - self._started > _STEADY else self._failures + 1
        self._not_before = time.monotonic() + backoff(self._failures)
        self.process.restarts += 1
        self.process.state = "waiting"

    def family(self) -> list[Pid]:
        """Its living processes."""
        return family([self.process.pid]) if self.process.pid else []
