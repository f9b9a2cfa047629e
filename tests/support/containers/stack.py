# SPDX-License-Identifier: Apache-2.0
"""deploy/compose.yaml, up: on a free port, with passwords of its own, spoken to by HTTP alone."""

from typing import Any

import httpx
import yaml

from deploy.compose import make_env
from tests.support.containers.base import ROOT
from tests.support.containers.dockerd import Dockerd
from tests.support.stack import free_port
from tests.support.waiting import until

FILE = ROOT / "deploy" / "compose.yaml"
PROJECT = "innkeeper-test"
SERVICES = ("api", "conductor", "scheduler", "worker", "imagebuilder", "hostagent", "flower")
RUNBOOKS = "https://pages.example.com/alerts"
WISH = {"os": "mini", "flavor": "tiny", "networks": [{"network": "default"}]}
_PUBLISHED = ("", "_IMAGES", "_FLOWER", "_PROMETHEUS")
_OVER = ("succeeded", "failed", "cancelled", "stalled")


class ComposeStack:
    """The whole but Grafana, which no package of Debian has; a fake host is enrolled by the stack itself."""

    def __init__(self, dockerd: Dockerd, tag: str):
        self._dockerd = dockerd
        env, password = make_env.make(dockerd.directory)
        lines = [line.partition("=") for line in env.read_text().splitlines()]
        self.ports = {f"INNKEEPER_PUBLISH{what}": free_port() for what in _PUBLISHED}
        self.passwords = {name: value for name, _, value in lines}
        self._password = password
        dockerd.env |= {**self.passwords, "INNKEEPER_TAG": tag, "INNKEEPER_SECRETS": str(password.parent)}
        dockerd.env |= {"INNKEEPER_RUNBOOKS_URL": RUNBOOKS}
        dockerd.env |= {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        url = f"http://127.0.0.1:{self.ports['INNKEEPER_PUBLISH']}"
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    @staticmethod
    def images() -> dict[str, str]:
        """Service -> image, as the file names them."""
        file: dict[str, Any] = yaml.safe_load(FILE.read_text())
        return {name: str(service["image"]) for name, service in file["services"].items()}

    def compose(self, *words: str) -> str:
        """Run docker-compose on the stack."""
        return self._dockerd.compose(FILE, PROJECT, *words)

    def container(self, service: str) -> str:
        """The id of its container."""
        return self.compose("ps", "-q", service)

    def logs(self, service: str) -> str:
        """What a service has written."""
        done = self._dockerd.try_docker("logs", "--tail", "2000", self.container(service))
        return done.stdout + done.stderr

    def start(self) -> "ComposeStack":
        """Everything up, an admin signed in, the host up."""
        self.compose("up", "-d", "--no-build", *SERVICES, "prometheus")
        until(self.ready, 90, "/readyz of the api", pause=0.2)
        self.sign_in()
        until(lambda: self._host()["state"] == "up", 60, "the fake host up", pause=0.2)
        return self

    def ready(self) -> bool:
        """Whether the api says that all it needs is there."""
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def sign_in(self) -> None:
        """Use the first admin's token from now on."""
        asked = {"username": "admin", "password": self._password.read_text().strip()}
        answer = self.http.post("/v1/auth/token", json=asked).raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _host(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/v1/hosts").raise_for_status().json()["items"][0]
        return found

    def set(self, **settings: str) -> None:
        """Further lines of deploy/.env."""
        self._dockerd.env |= settings

    def create(self, name: str, **spec: Any) -> dict[str, Any]:
        """POST a vm; its job."""
        body = {**WISH, "name": name, **spec}
        job: dict[str, Any] = self.http.post("/v1/vms", json=body).raise_for_status().json()["job"]
        return job

    def vm(self, vm_id: str) -> dict[str, Any]:
        """A vm as the api tells it."""
        found: dict[str, Any] = self.http.get(f"/v1/vms/{vm_id}").raise_for_status().json()
        return found

    def done(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Ask for something that is a job, and see it succeed; the job."""
        answer = self.http.request(method, path, json=body or None)
        assert answer.status_code == 202, answer.text
        job = self.finish(answer.json()["job"]["id"])
        assert job["state"] == "succeeded", job
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the api tells it."""
        found: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        return found

    def finish(self, job_id: str) -> dict[str, Any]:
        """Wait until the job is over; the job."""

        def over() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in _OVER else None

        found = until(over, 120, f"job {job_id} over", pause=0.2)
        assert found is not None
        return found

    def stop(self) -> None:
        """Take everything away, volumes too."""
        self.http.close()
        self.compose("kill")  # all at once; nobody needs what they hold any more
        until(self._gone, 10, "the stack gone, its network too", pause=0.5)

    def _gone(self) -> bool:
        try:
            self.compose("down", "-v")
        except AssertionError as error:
            if "has active endpoints" not in str(error):
                raise
            return False  # a container that has just ended may be on it a moment longer
        return True
