# SPDX-License-Identifier: Apache-2.0
"""The environment every service of the embedded stack reads, and the ports it is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.files import read_json, secret, write_json
from deploy.local.home import Home
from deploy.local.ports import is_free, pick
from deploy.local.servers import RabbitMQ, Redis

DEFAULT_PORT = 8080
# Those with a Prometheus endpoint of their own; the api serves /metrics itself.
METERED = ("conductor", "worker", "scheduler", "imagebuilder", "hostagent")
# It is for looking: a job by its id among the arguments, and no button that ends a worker.
FLOWER = {
    "FLOWER_READ_ONLY": "true",
    "FLOWER_TASKS_COLUMNS": "name,args,state,received,started,runtime,worker",
    "FLOWER_MAX_TASKS": "2000",
    "FLOWER_PURGE_OFFLINE_WORKERS": "60",
}
SPARE_S = 5.0  # for the processes themselves, once the work is finished
_PURPOSES = ("images", "flower", *METERED)


@dataclass(frozen=True)
class Addresses:
    """Where the stack's own services listen, all on loopback."""

    api: int
    images: int
    flower: int
    metrics: dict[str, int]

    @property
    def api_url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.api}"

    @classmethod
    def load(cls, home: Home) -> Addresses:
        """The addresses of the last `up`; the API's default before the first."""
        known: dict[str, int] = read_json(home.ports_file, {})
        metrics = {name: known.get(name, 0) for name in METERED}
        return cls(known.get("api", DEFAULT_PORT), known.get("images", 0), known.get("flower", 0), metrics)

    @classmethod
    def choose(cls, home: Home) -> Addresses:
        """Addresses for a start: last time's where they are free. PORT decides the API's."""
        known: dict[str, int] = read_json(home.ports_file, {})
        ports = {"api": int(os.environ.get("PORT") or known.get("api") or DEFAULT_PORT)}
        for name in _PURPOSES:
            port = known.get(name, 0)
            ports[name] = port if port and is_free(port) else pick({*known.values(), *ports.values()})
        write_json(home.ports_file, ports)
        return cls.load(home)


def environment(home: Home, addresses: Addresses, rabbitmq: RabbitMQ, redis: Redis) -> dict[str, str]:
    """What every service of ours finds in its environment; secrets are here and not on command lines."""
    passed = ("HOME", "USER", "LOGNAME", "TMPDIR", "SSL_CERT_FILE")
    proxies = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    ours = {name: value for name, value in os.environ.items() if name.startswith(("INNKEEPER_", "OTEL_"))}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in (*passed, *proxies) if name in os.environ},
        "INNKEEPER_LOG_LEVEL": "info",
        "INNKEEPER_GRACE_S": "25",
        "INNKEEPER_DATABASE_URL": f"sqlite:///{home.root}/data/innkeeper.db",
        **ours,
        "PYTHONPATH": str(home.checkout),
        "PYTHONUNBUFFERED": "1",
        "INNKEEPER_BROKER_URL": rabbitmq.url,
        "INNKEEPER_BROKER_ADMIN_URL": rabbitmq.admin_url,
        "INNKEEPER_REDIS_URL": redis.url,
        "INNKEEPER_KEYS_DIR": str(home.root / "keys"),
        "INNKEEPER_STATE_DIR": str(home.root / "state"),
        "INNKEEPER_API_URL": addresses.api_url,
        "INNKEEPER_API_BIND": f"127.0.0.1:{addresses.api}",
        "INNKEEPER_IMAGES_BIND": f"127.0.0.1:{addresses.images}",
        "INNKEEPER_IMAGES_URL": f"http://127.0.0.1:{addresses.images}",
        "INNKEEPER_AGENT_CONFIG": str(home.agent_config),
    }


def grace(env: Mapping[str, str]) -> float:
    """Seconds after which a service with this environment is over, if it is all right; killing it earlier costs work.

    Raises ValueError for settings that are no numbers.
    """
    return float(env["INNKEEPER_GRACE_S"]) + float(env.get("INNKEEPER_API_DRAIN_S", "0")) + SPARE_S


def flower_environment(home: Home, rabbitmq: RabbitMQ) -> dict[str, str]:
    """Flower's own settings: the broker, and a password nobody sees on a command line."""
    return {
        "CELERY_BROKER_URL": rabbitmq.url,
        "FLOWER_BROKER_API": f"{rabbitmq.admin_url}/api/",
        "FLOWER_BASIC_AUTH": f"admin:{secret(home.flower_password)}",
        **FLOWER,
    }
