# SPDX-License-Identifier: Apache-2.0
"""The whole platform with two of each service over one PostgreSQL, their servers behind balancers."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.support.balancer import Balancer, answer, is_ready
from tests.support.process import Process
from tests.support.stack import SERVICES, Stack, free_port
from tests.support.waiting import until

EACH = ("api", *SERVICES)
BINDS = {"api": "API", "imagebuilder": "IMAGES"}  # of the settings, by the services that have addresses


def second(name: str) -> str:
    """The name of a service's second process."""
    return f"{name}-2"


class TwoOfEach(Stack):
    """A stack whose api and images are asked through balancers."""

    def __init__(self, directory: Path, env: dict[str, str], cleanup: ExitStack):
        super().__init__(directory, postgres=True, env=env)
        self._cleanup = cleanup
        self._balancers: dict[str, Balancer] = {}  # by the service they stand before
        self._replaced: list[Process] = []

    def _settings(self) -> None:
        super()._settings()
        for name, what in BINDS.items():
            bind = f"INNKEEPER_{what}_BIND"
            self.env[f"{bind}_2"] = f"127.0.0.1:{free_port()}"
            balancer = Balancer([_address(self.env[bind]), _address(self.env[f"{bind}_2"])])
            self._cleanup.callback(balancer.close)
            self._balancers[name] = balancer
            self.env[f"INNKEEPER_{what}_URL"] = balancer.url

    def _services(self) -> None:
        super()._services()
        twins = [self._api(second("api"))]
        twins += [self._process(second(name), [sys.executable, "-m", f"services.{name}"]) for name in self.services]
        for process in twins:
            for what in BINDS.values():
                process.env[f"INNKEEPER_{what}_BIND"] = self.env[f"INNKEEPER_{what}_BIND_2"]

    def is_up(self, name: str) -> bool:
        """Whether the process serves: it says so itself, or shows its figures."""
        process, asked = self.processes[name], BINDS.get(_service(name))
        if asked:
            return is_ready(_address(process.env[f"INNKEEPER_{asked}_BIND"]))
        return bool(self.figures(process))

    def successor_started(self, name: str) -> Process:
        """Another process comes to stand for the name, at addresses of its own; the old one, which still runs."""
        old, service = self.processes[name], _service(name)
        fresh = self._process(f"{name}-new", old.argv)
        self.processes[name] = self.processes.pop(fresh.name)
        fresh.env = {**old.env, "INNKEEPER_METRICS_PORT": fresh.env["INNKEEPER_METRICS_PORT"]}
        if service in BINDS:
            bind = fresh.env[f"INNKEEPER_{BINDS[service]}_BIND"] = f"127.0.0.1:{free_port()}"
            self._balancers[service].add(_address(bind))
        if service == "api":
            fresh.env["PROMETHEUS_MULTIPROC_DIR"] = str(self.directory / f"{fresh.name}-metrics")
        fresh.start()
        self._replaced.append(old)
        return old

    def figures(self, process: Process) -> str:
        """What its /metrics says; "" where it does not answer."""
        return answer(("127.0.0.1", int(process.env["INNKEEPER_METRICS_PORT"])), "/metrics")[1]

    def up(self, *names: str) -> None:
        """Wait until these serve."""
        for name in names:
            until(partial(self.is_up, name), 60, f"{name} up\n{self.processes[name].tail()}")

    def leaders(self, role: str) -> list[str]:
        """Who says it has the role."""
        told = f'innkeeper_leads{{role="{role}"}} 1.0'
        of = "scheduler" if role == "night-watch" else "conductor"
        return [name for name in (of, second(of)) if told in self.figures(self.processes[name])]

    def stop(self) -> None:
        """End all at once: nobody needs to be waited for any more."""
        for process in (*self.processes.values(), *self._replaced):
            process.kill()
        super().stop()


def _service(name: str) -> str:
    return name.removesuffix("-2")


def _address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    return host, int(port)


@contextmanager
def two_of_each(directory: Path, env: dict[str, str]) -> Iterator[TwoOfEach]:
    """It, started, for the length of the block."""
    with ExitStack() as cleanup:
        stack = TwoOfEach(directory, env, cleanup)
        cleanup.callback(stack.stop)
        stack.start()
        stack.up(*EACH, *map(second, EACH))
        yield stack
