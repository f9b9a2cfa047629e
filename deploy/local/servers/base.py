# SPDX-License-Identifier: Apache-2.0
"""What every private server promises: it lives in one directory, and it ends exactly what it started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from deploy.local.files import read_json, write_json
from deploy.local.pid import Pid, end, family
from deploy.local.ports import reserve


class ServerError(Exception):
    """A private server can't be started; the text says why and what to do."""


class Server(ABC):
    """One private server in `directory`: ports, passwords and data there survive restarts.

    `start`/`stop`/`kill`/`wipe` may be repeated. Who wants to be the parent itself (the supervisor)
    calls `prepare()` and runs `command()` with `env()` in a session of its own, until `ready()`.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    grace: ClassVar[float] = 15.0

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / f"{self.name}.log"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, credentials included; valid after `prepare()`."""

    @property
    def ports(self) -> dict[str, int]:
        """The loopback ports by purpose; empty before the first `prepare()`."""
        ports: dict[str, int] = read_json(self.directory / "ports.json", {})
        return ports

    def reserve_ports(self, *names: str) -> None:
        """Choose a port for each purpose, the same as last time where it is still free."""
        reserve(self.directory / "ports.json", names)

    @abstractmethod
    def prepare(self) -> None:
        """Write configuration, choose ports and passwords. Raises ServerError when the machine lacks a part."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line of the foreground process; holds no secret."""

    @abstractmethod
    def env(self) -> dict[str, str]:
        """The complete environment of the process."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves requests at this moment; quick, never raises for a server that is down."""

    def start(self, timeout: float = 60.0) -> Self:
        """Start it and return once it truly serves. A server that already runs is left as it is."""
        if self.alive() and self.ready():
            return self
        self.stop()
        self.prepare()
        self._spawn()
        self._wait_ready(timeout)
        self._record()
        return self

    def stop(self) -> None:
        """End it in an orderly way; SIGKILL after `grace` seconds."""
        self._finish(self.stop_signal, self.grace)

    def kill(self) -> None:
        """SIGKILL it with all its children: what a crash looks like."""
        self._finish(signal.SIGKILL, 10.0)

    def wipe(self) -> None:
        """End it and delete its data; the next start is empty, with the same ports, user and password."""
        self.kill()
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def alive(self) -> bool:
        """Whether its main process runs."""
        roots = self._roots()
        return bool(roots) and roots[0].alive()

    def pids(self) -> list[Pid]:
        """Every living process of this server."""
        return family(self._roots())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command(),
                env=self.env(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._record()

    def _record(self) -> None:
        """Remember the processes; the main one first."""
        main = self._main()
        if main is not None:
            others = [pid for pid in family([main]) if pid != main]
            write_json(self._pid_file, [pid.as_dict() for pid in (main, *others)])

    def _main(self) -> Pid | None:
        return Pid.of(self._child.pid) if self._child is not None else None

    def _wait_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self.ready():
            if failure := self._failed():
                self.kill()
                raise ServerError(f"{self.name} {failure}.\n{self.tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{self.name} isn't ready after {timeout:.0f} s; ended it.\n{self.tail()}")
            time.sleep(0.05)

    def _failed(self) -> str:
        """Why waiting for it is in vain; empty while there is hope."""
        if self._child is None or self._child.poll() is None:
            return ""
        return f"ended with code {self._child.returncode} at its start"

    def tail(self, lines: int = 15) -> str:
        """The end of the server's log, for an error message."""
        return "\n".join([f"Last lines of {self.log}:", *last_lines(self.log, lines)])

    def _finish(self, first: signal.Signals, grace: float) -> None:
        roots = self._roots()
        everyone = family(roots)
        end([pid for pid in roots[:1] if pid in everyone], grace, first)
        end([*everyone, *family(roots)], 3.0, signal.SIGKILL)
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._pid_file.unlink(missing_ok=True)

    def _roots(self) -> list[Pid]:
        return [Pid.from_dict(entry) for entry in read_json(self._pid_file, [])]

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pids.json"


def last_lines(path: Path, lines: int) -> list[str]:
    """The end of a log; empty when it can't be read."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def need(*candidates: str, package: str) -> str:
    """The first of these programs that exists (PATH and sbin searched); ServerError names the Debian package."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    for candidate in candidates:
        found = shutil.which(candidate, path=path)
        if found:
            return found
    raise ServerError(f"{candidates[0]} isn't installed. Run `make up`, or: apt-get install {package}")


def private(directory: Path) -> Path:
    """Make a directory only its owner enters."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    return directory


def plain_env(**more: str) -> dict[str, str]:
    """A small, predictable environment: nothing of the caller's shell changes how a server behaves."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **more}
