# SPDX-License-Identifier: Apache-2.0
"""A dockerd of our own: its data, sockets and bridge are its, and all of it goes with it."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
        self._bridge = f"ik-d{os.getpid():x}"
        argv += ["-H", self.socket, "--pidfile", f"{directory}/docker.pid", "--bridge", self._bridge]
        self._process = Process("dockerd", argv, os.environ, directory / "dockerd.log")

    def start(self) -> "Dockerd":
        """Running and answering; `missing` where it isn't installed, CannotStart where it can't run."""
        absent = [name for name in _PROGRAMS if shutil.which(name) is None]
        absent += [] if _DOCKER.exists() else [str(_DOCKER)]
        if absent:
            missing(f"{', '.join(absent)}: apt-get install docker.io containerd runc iptables docker-compose")
        if os.geteuid() != 0:
            raise CannotStart("this user isn't root")
        self._make_bridge()
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
        return _said(words, self.try_docker(*words))

    def inspect(self, name: str) -> dict[str, Any]:
        """What the daemon knows of an image or a container."""
        found: dict[str, Any] = json.loads(self.docker("inspect", name))[0]
        return found

    def compose(self, file: Path, project: str, *words: str) -> str:
        """Run Debian's docker-compose on a file."""
        command = ["docker-compose", "-p", project, "-f", str(file), *words]
        env = {**self.env, "COMPOSE_DOCKER_CLI_BUILD": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
        return _said(words, done)

    def stop(self) -> None:
        """End every container, then the daemon."""
        if self._process.pid and self.answers():
            running = self.docker("ps", "-q").split()
            if running:
                self.docker("kill", *running)
        self._process.stop(grace=30)
        _ip("link", "delete", self._bridge)

    def _make_bridge(self) -> None:
        name, address = self._bridge, f"172.31.{64 + os.getpid() % 64}.1/24"
        made = f"link add {name} type bridge", f"addr add {address} dev {name}", f"link set {name} up"
        for command in made:
            done = _ip(*command.split())
            if done.returncode:
                raise CannotStart(done.stderr)


def _ip(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)


def _said(words: Sequence[str], done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    return done.stdout.strip()
