# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.k8s.secrets [--demo]`: Secrets with fresh random contents, as `kubectl apply -f -` takes them.

Without --demo only what isn't known elsewhere: the installation's keys, the admin's password, Flower's. With it also
those of the demo's own PostgreSQL, RabbitMQ and Redis. Run it once: other keys make what the database holds unreadable.
"""

import secrets
import sys
import tempfile
from pathlib import Path

import yaml

from deploy.k8s.rendering import NAMESPACE, RELEASE, Object
from services.common.runtime import keys

Contents = dict[str, str]


def fresh(demo: bool) -> dict[str, Contents]:
    """What each Secret holds, by its name."""
    with tempfile.TemporaryDirectory() as scratch:
        keys.init(Path(scratch))
        made = {path.name: path.read_text() for path in sorted(Path(scratch).iterdir())}
    found = {
        f"{RELEASE}-keys": made,
        f"{RELEASE}-admin": {"password": secrets.token_urlsafe(18)},
        f"{RELEASE}-flower": {"basicAuth": f"admin:{secrets.token_urlsafe(18)}"},
    }
    return {**found, **_demo()} if demo else found


def _demo() -> dict[str, Contents]:
    postgres, rabbitmq, redis = (secrets.token_urlsafe(24) for _ in range(3))
    at = f"{NAMESPACE}.svc"
    broker = f"innkeeper:{rabbitmq}@{RELEASE}-rabbitmq.{at}"
    return {
        f"{RELEASE}-demo": {"postgresPassword": postgres, "rabbitmqPassword": rabbitmq, "redisPassword": redis},
        f"{RELEASE}-database": {"url": f"postgresql://innkeeper:{postgres}@{RELEASE}-postgres.{at}:5432/innkeeper"},
        f"{RELEASE}-broker": {"url": f"amqp://{broker}:5672//", "adminUrl": f"http://{broker}:15672"},
        f"{RELEASE}-redis": {"url": f"redis://:{redis}@{RELEASE}-redis.{at}:6379/0"},
    }


def as_objects(found: dict[str, Contents]) -> list[Object]:
    """The Secrets as objects."""
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data}
        for name, data in found.items()
    ]


def main(arguments: list[str]) -> int:
    """Print them."""
    if arguments not in ([], ["--demo"]):
        print("usage: python -m deploy.k8s.secrets [--demo] | kubectl apply -f -", file=sys.stderr)
        return 2
    print(yaml.safe_dump_all(as_objects(fresh(bool(arguments))), sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
