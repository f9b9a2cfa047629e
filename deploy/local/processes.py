# SPDX-License-Identifier: Apache-2.0
"""The table of everything the embedded stack runs, in the order of who needs whom."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deploy.local import hypervisors, own_agents, ports, vsphere_host, vsphere_side
from deploy.local.home import Home
from deploy.local.servers import RabbitMQ, Redis, Server
from deploy.local.settings import METERED, Addresses, environment, flower_environment, grace
from deploy.local.spec import Spec

# name -> module, run as `python -m module`; all need a migrated database, keys, the broker and Redis.
SERVICES = {
    "conductor": "services.conductor",
    "worker": "services.worker",
    "scheduler": "services.scheduler",
    "imagebuilder": "services.imagebuilder",
    "hostagent": "services.hostagent",
}
_FIRST = ("keys", "migrate", "rabbitmq", "redis")


def servers(home: Home) -> tuple[RabbitMQ, Redis]:
    """The stack's private servers."""
    return RabbitMQ(home.server("rabbitmq")), Redis(home.server("redis"))


def table(home: Home) -> list[Spec]:
    """Every process of the stack; chooses ports and writes the servers' configuration on the way."""
    rabbitmq, redis = servers(home)
    for server in (rabbitmq, redis):
        server.prepare()
    addresses = Addresses.choose(home)
    env = environment(home, addresses, rabbitmq, redis)
    vsphere = hypervisors.VSPHERE in hypervisors.chosen(home.hypervisors_file)
    if vsphere:
        vsphere_side.prepare(home)
        own_agents.refresh(home, vsphere_host.agent(home))  # it ends where it doesn't find its vCenter
        env = {"INNKEEPER_GUEST_URL": vsphere_side.guest_url(home), **env}
    python = str(home.checkout / ".venv" / "bin" / "python")
    run = partial(_python, home, python, env)
    return [
        _server(home, rabbitmq, "amqp"),
        _server(home, redis, "redis"),
        run("keys", ["services.common.runtime.keys", "init"], once=True),
        run("migrate", ["services.common.store.migrate"], once=True),
        _api(home, python, env, addresses),
        *(_service(home, python, env, addresses, name) for name in SERVICES),
        _flower(home, python, {**env, **flower_environment(home, rabbitmq)}, addresses),
        *(vsphere_side.specs(home, python, env, _FIRST) if vsphere else ()),
    ]


def answers_ok(port: int, path: str) -> bool:
    """Whether a GET on a loopback port answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def readiness(home: Home, name: str) -> Callable[[], bool]:
    """The question that tells whether one process of the stack serves right now; also asked by `status`."""
    rabbitmq, redis = servers(home)
    addresses = Addresses.load(home)
    questions: dict[str, Callable[[], bool]] = {
        "rabbitmq": rabbitmq.ready,
        "redis": redis.ready,
        "api": partial(answers_ok, addresses.api, "/readyz"),
        "flower": partial(ports.answers, addresses.flower),
        **{metered: partial(ports.answers, addresses.metrics[metered]) for metered in METERED},
        **(vsphere_side.questions(home) if name in vsphere_side.PROCESSES else {}),
    }
    return questions.get(name, lambda: True)


def _server(home: Home, server: Server, port: str) -> Spec:
    return Spec(
        name=server.name,
        argv=server.command(),
        env=server.env(),
        log=home.log(server.name),
        ready=server.ready,
        port=server.ports[port],
        cwd=server.directory,
        stop_signal=server.stop_signal,
        grace=server.grace,
    )


def _python(home: Home, python: str, env: dict[str, str], name: str, words: list[str], once: bool = False) -> Spec:
    return Spec(name, [python, "-m", *words], env, home.log(name), once=once, cwd=home.checkout)


def _api(home: Home, python: str, env: dict[str, str], addresses: Addresses) -> Spec:
    gunicorn = ["gunicorn", "-c", "services/api/gunicorn.conf.py", "services.api.wsgi:app"]
    return Spec(
        name="api",
        argv=[python, "-m", *gunicorn],
        env={**env, "PROMETHEUS_MULTIPROC_DIR": str(home.api_metrics)},
        log=home.log("api"),
        ready=readiness(home, "api"),
        after=_FIRST,
        port=addresses.api,
        cwd=home.checkout,
        grace=grace(env),
    )


def _service(home: Home, python: str, env: dict[str, str], addresses: Addresses, name: str) -> Spec:
    needs: Path | None = home.agent_config if name == "hostagent" else None
    port = addresses.metrics[name]
    return Spec(
        name=name,
        argv=[python, "-m", SERVICES[name]],
        env={**env, "INNKEEPER_METRICS_PORT": str(port)},
        log=home.log(name),
        ready=readiness(home, name),
        after=_FIRST,
        needs=needs,
        port=port,
        cwd=home.checkout,
        grace=grace(env),
    )


def _flower(home: Home, python: str, env: dict[str, str], addresses: Addresses) -> Spec:
    words = ["celery", "flower", "--address=127.0.0.1", f"--port={addresses.flower}"]
    return Spec(
        name="flower",
        argv=[python, "-m", *words],
        env=env,
        log=home.log("flower"),
        ready=readiness(home, "flower"),
        after=("rabbitmq",),
        port=addresses.flower,
        cwd=home.server("rabbitmq"),
        grace=5.0,
    )
