# SPDX-License-Identifier: Apache-2.0
"""A dockerd of our own: its data, sockets and bridge are its, and all of it goes with it."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.containers.bridge import Bridge
from tests.support.containers.failed_steps import failed_steps
from tests.support.missing import missing
from tests.support.process import Process
from tests.support.waiting import until

_PROGRAMS = ("dockerd", "containerd", "runc", "iptables", "docker-compose")
_DOCKER = Path("/usr/bin/docker")  # Debian's, which builds with BuildKit by itself; another may be first in PATH
_START_S = 30.0
_PATIENCE_S = 900  # for a whole build on a busy machine; a quiet one needs two minutes


class CannotStart(Exception):
    """This machine lets no dockerd run; the text is what the daemon said."""


class Dockerd:
    """Start it, ask it, end it."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.socket = f"unix://{directory}/docker.sock"
        self.env = {**os.environ, "DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(directory)}
        # What it builds has time; the tests beside it may be measured by the clock.
        argv = ["nice", "-n", "10", "dockerd", "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"]
        # A bridge of its own: docker0 is that of this machine's daemon, if it has one.
        self._bridge = Bridge()
        argv += ["-H", self.socket, "--pidfile", f"{directory}/docker.pid", "--bridge", self._bridge.name]
        self._process = Process("dockerd", argv, os.environ, directory / "dockerd.log")

    def start(self) -> "Dockerd":
        """Running and answering; `missing` where it isn't installed, CannotStart where it can't run."""
        absent = [name for name in _PROGRAMS if shutil.which(name) is None]
        absent += [] if _DOCKER.exists() else [str(_DOCKER)]
        if absent:
            missing(f"{', '.join(absent)}: apt-get install docker.io containerd runc iptables docker-compose")
        if os.geteuid() != 0:
            raise CannotStart("this user isn't root")
        try:
            self._bridge.make()
        except OSError as reason:
            raise CannotStart(str(reason)) from reason
        self._process.start()
        until(lambda: self.answers() or not self._process.pid, _START_S, "dockerd answering or ended", pause=0.1)
        if not self.answers():
            raise CannotStart(self._process.tail(4))
        return self

    def answers(self) -> bool:
        """Whether the daemon speaks."""
        return self.try_docker("version").returncode == 0

    def try_docker(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `docker`; how it ended is the caller's matter."""
        command = [str(_DOCKER), *words]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)

    def docker(self, *words: str) -> str:
        """Run `docker`; what it printed. It fails with what it said."""
        return said(words, self.try_docker(*words))

    def inspect(self, name: str) -> dict[str, Any]:
        """What the daemon knows of an image or a container."""
        found: dict[str, Any] = json.loads(self.docker("inspect", name))[0]
        return found

    def compose(self, file: Path, project: str, *words: str) -> str:
        """Run Debian's docker-compose on a file."""
        command = ["docker-compose", "-p", project, "-f", str(file), *words]
        env = {**self.env, "COMPOSE_DOCKER_CLI_BUILD": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
        return said(words, done)

    def stop(self) -> None:
        """End every container, then the daemon."""
        try:
            if self._process.pid and (running := self.try_docker("ps", "-q").stdout.split()):
                self.try_docker("kill", *running)  # one may have ended by itself meanwhile
        finally:
            self._process.stop(grace=30)
            self._bridge.remove()


def said(words: Sequence[str], done: "subprocess.CompletedProcess[str]") -> str:
    """What it printed; AssertionError where it failed, of a build first with the words of the steps that did."""
    if done.returncode:
        steps = failed_steps(done.stderr)[-4000:]
        told = f"what failed:\n{steps}\n\nand all of it:\n" if steps else ""
        told += f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{told}")
    return done.stdout.strip()
