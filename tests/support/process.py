# SPDX-License-Identifier: Apache-2.0
"""One child process that logs to a file and can be killed the hard way and started again."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Process:
    """A named child; `start` again after `kill` runs the same command."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path):
        self.name = name
        self.argv = list(argv)
        self.env = dict(env)
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id while it runs, else 0."""
        return self._child.pid if self._child and self._child.poll() is None else 0

    def start(self, **more_env: str) -> None:
        """Run it, in a session of its own, so that its children end with it."""
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                self.argv,
                env={**self.env, **more_env},
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to the whole group: nothing gets a chance to tidy up."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it in its tracks."""
        self._signal(signal.SIGSTOP, wait=False)

    def go_on(self) -> None:
        """Let a paused one run again."""
        self._signal(signal.SIGCONT, wait=False)

    def terminate(self) -> None:
        """SIGTERM; nobody waits."""
        if self.pid and self._child is not None:
            self._child.terminate()

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        if not self.pid or self._child is None:
            return
        self.terminate()
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def ended(self) -> bool:
        """Whether it is not running."""
        return self.pid == 0

    @property
    def exit_code(self) -> int | None:
        """What it ended with (a signal's number, negative); None while it runs, or was never started."""
        return self._child.poll() if self._child else None

    def _signal(self, number: signal.Signals, wait: bool = True) -> None:
        if self._child is None:
            return
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return
        if wait:
            self._child.wait()

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
