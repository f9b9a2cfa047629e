# SPDX-License-Identifier: Apache-2.0
"""The whole platform as child processes on free loopback ports, in one directory, ended by pid."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.servers.redis import Redis
from tests.support.process import Process
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("conductor", "worker", "scheduler", "imagebuilder")


def free_port() -> int:
    """A loopback port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


class Stack:
    """RabbitMQ, Redis, a database, every service; hosts are enrolled through the API like anybody's."""

    def __init__(
        self,
        directory: Path,
        postgres: bool = False,
        env: Mapping[str, str] | None = None,
        services: Sequence[str] = SERVICES,
    ):
        self.services = services
        self.directory = directory
        self.rabbit = RabbitMQ(directory / "rabbitmq")
        self.redis = Redis(directory / "redis")
        self.postgres = Postgres(directory / "postgres") if postgres else None
        self.extra_env = dict(env or {})
        self.processes: dict[str, Process] = {}
        self.api_url = ""
        self.env: dict[str, str] = {}
        self.http = httpx.Client(timeout=60, trust_env=False)

    def start(self) -> "Stack":
        """Everything up and /readyz green; an admin is signed in on `self.http`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for server in (self.rabbit, self.redis, self.postgres):
            if server is not None:
                server.start()
        self._settings()
        for words in (["services.common.runtime.keys", "init"], ["services.common.store.migrate"]):
            self.run(*words)
        password = self.directory / "admin.password"
        self.run("services.api.admin", "create-admin", "--username", "admin", "--password-file", str(password))
        self._services()
        for process in self.processes.values():
            process.start()
        self.api_url = self.env["INNKEEPER_API_URL"]
        self.http.base_url = httpx.URL(self.api_url)
        until(self.ready, 60, f"/readyz of {self.api_url}\n{self.processes['api'].tail()}", pause=0.1)
        self.sign_in("admin", password.read_text().strip())
        return self

    def _services(self) -> None:
        """What is started, none of it yet."""
        self._api("api")
        for name in self.services:
            self._process(name, [sys.executable, "-m", f"services.{name}"])

    def _api(self, name: str) -> Process:
        argv = [str(Path(sys.executable).parent / "gunicorn"), "-c", str(ROOT / "services/api/gunicorn.conf.py")]
        api = self._process(name, [*argv, "services.api.wsgi:app"])
        api.env["PROMETHEUS_MULTIPROC_DIR"] = str(self.directory / f"{name}-metrics")
        return api

    def another_api(self, name: str, **env: str) -> tuple[Process, str]:
        """One more, with settings of its own, ready; and its URL."""
        api, bind = self._api(name), f"127.0.0.1:{free_port()}"
        api.env.update({"INNKEEPER_API_BIND": bind, **env})
        api.start()
        url = f"http://{bind}"
        until(lambda: answers(f"{url}/readyz") == 200, 60, f"{url}/readyz\n{api.tail()}", pause=0.1)
        return api, url

    def _settings(self) -> None:
        database = f"sqlite:///{self.directory / 'innkeeper.db'}"
        if self.postgres is not None:
            database = self.postgres.create_database("innkeeper")
        images = f"127.0.0.1:{free_port()}"
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "INNKEEPER_DATABASE_URL": database,
            "INNKEEPER_BROKER_URL": self.rabbit.url,
            "INNKEEPER_BROKER_ADMIN_URL": self.rabbit.admin_url,
            "INNKEEPER_REDIS_URL": self.redis.url,
            "INNKEEPER_KEYS_DIR": str(self.directory / "keys"),
            "INNKEEPER_STATE_DIR": str(self.directory / "state"),
            "INNKEEPER_API_BIND": f"127.0.0.1:{free_port()}",
            "INNKEEPER_IMAGES_BIND": images,
            "INNKEEPER_IMAGES_URL": f"http://{images}",
            **self.extra_env,
        }
        self.env["INNKEEPER_API_URL"] = f"http://{self.env['INNKEEPER_API_BIND']}"

    def run(self, module: str, *words: str) -> str:
        """Run a module to its end; fails with what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", module, *words], env=self.env, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"{module} {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _process(self, name: str, argv: list[str]) -> Process:
        env = {**self.env, "INNKEEPER_METRICS_PORT": str(free_port())}
        process = Process(name, argv, env, self.directory / f"{name}.log")
        self.processes[name] = process
        return process

    def ready(self) -> bool:
        """Whether the API says that all it needs is there."""
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def sign_in(self, username: str, password: str) -> None:
        """Use this user's token from now on."""
        answer = self.http.post("/v1/auth/token", json={"username": username, "password": password})
        answer.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def enrol(self, name: str, driver: str = "fake", **settings: Any) -> str:
        """Register a host, start its agent, wait until it is up; its id."""
        answer = self.http.post("/v1/hosts", json={"name": name, "driver": driver})
        assert answer.status_code == 201, answer.text
        body = answer.json()
        directory = self.directory / f"agent-{name}"
        directory.mkdir()
        config = directory / "agent.yaml"
        config.write_text(yaml.safe_dump({**body["agent"], "driver": driver, "directory": str(directory), **settings}))
        config.chmod(0o600)
        process = self._process(f"agent-{name}", [sys.executable, "-m", "services.hostagent"])
        process.env["INNKEEPER_AGENT_CONFIG"] = str(config)
        process.start()
        host_id = str(body["host"]["id"])
        try:
            until(lambda: self.host(host_id)["state"] == "up", 30, f"host {name} up")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.host(host_id)}\n{self.tails()}") from error
        return host_id

    def host(self, host_id: str) -> dict[str, Any]:
        """A host as the API tells it."""
        found: dict[str, Any] = self.http.get(f"/v1/hosts/{host_id}").raise_for_status().json()
        return found

    def create(self, name: str, **spec: Any) -> dict[str, Any]:
        """POST a vm; {"vm", "job"}."""
        body = {"name": name, "os": "mini", "flavor": "tiny", "networks": [{"network": "default"}], **spec}
        answer = self.http.post("/v1/vms", json=body)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the API tells it."""
        found: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        return found

    def vm(self, vm_id: str) -> dict[str, Any]:
        """A vm as the API tells it."""
        found: dict[str, Any] = self.http.get(f"/v1/vms/{vm_id}").raise_for_status().json()
        return found

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """What the job's journal says."""
        found: list[dict[str, Any]] = self.http.get(f"/v1/jobs/{job_id}/events").json()["items"]
        return found

    def finish(self, job_id: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the job is over (or stalled); the job."""

        def over() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in ("succeeded", "failed", "cancelled", "stalled") else None

        try:
            found = until(over, timeout, f"job {job_id} over", pause=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.job(job_id)}\n{self.tails()}") from error
        assert found is not None
        return found

    def tails(self) -> str:
        """The ends of all logs, for a failure's message."""
        return "\n".join(f"--- {p.name}\n{p.tail(12)}" for p in self.processes.values())

    def stop(self) -> None:
        """End what was started, by pid."""
        self.http.close()
        for process in self.processes.values():
            process.go_on()
            process.terminate()
        for process in self.processes.values():
            process.stop()
        for server in (self.postgres, self.redis, self.rabbit):
            if server is not None:
                server.kill()  # nobody needs what it holds any more


@contextmanager
def running(
    directory: Path,
    postgres: bool = False,
    env: Mapping[str, str] | None = None,
    services: Sequence[str] = SERVICES,
) -> Iterator[Stack]:
    """A started stack for the length of the block."""
    stack = Stack(directory, postgres, env, services)
    try:
        yield stack.start()
    finally:
        stack.stop()
