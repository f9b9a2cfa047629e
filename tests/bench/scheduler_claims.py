# SPDX-License-Identifier: Apache-2.0
"""Durable claims: `python -m tests.bench.scheduler_claims [--json]`; PostgreSQL with synchronous commit, real RabbitMQ.

durable_per_s: decisions and claims a second of two schedulers on 10,000 hosts, in groups. conflict_rate and
overcommitted: eight of them. queue_per_s: bells lie in the broker, the service places all. queue_p99_ms: 300 bells a
second, from the ring until readers are told. Rates and latencies are medians of rounds.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
from sqlalchemy import func, insert, select

from deploy.local.servers import Postgres
from services.common.store.database import Database
from services.common.store.hosts import Claim, Host
from services.common.store.migrate import upgrade
from services.common.store.tables import table_of
from tests.bench.figures import show
from tests.bench.scheduler_queue import queue_figures
from tests.support.inn import ABLE
from tests.support.stack import ROOT

HOSTS = 10_000
GROUP = 128
SECONDS = 6.0
ROUNDS = 3


@contextmanager
def durable_postgres() -> Iterator[Postgres]:
    """A cluster that waits for its disk."""
    with tempfile.TemporaryDirectory(prefix="ikc-") as directory:
        Path(directory).chmod(0o755)
        server = Postgres(Path(directory) / "pg")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def database_with_hosts(url: str, hosts: int, **changes: Any) -> Database:
    """A new installation with so many hosts, all up."""
    database = Database(url)
    upgrade(database)
    now = time.time()
    rows = [
        {
            **{"id": f"host-{n:05d}", "name": f"h{n:05d}", "driver": "fake", "state": "up"},
            **{"vcpus": 64, "memory_mib": 262_144, "disk_gib": 4000, "heartbeat_at": now + 86_400},
            **{"power_curve": [100.0 + n % 7, 300.0], "created_at": now, "updated_at": now},
            **{"facts": {"capabilities": list(ABLE)}},
            **changes,
        }
        for n in range(hosts)
    ]
    with database.write() as session:
        session.execute(insert(Host), rows)
    return database


def schedulers(database: Database, count: int, group: int, seconds: float) -> list[dict[str, float]]:
    """What so many at once did in this time."""
    url = database.url.render_as_string(hide_password=False)
    words = [sys.executable, "-m", "tests.bench.claiming", url]
    children = [
        subprocess.Popen(
            [*words, f"s{n}", str(group), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for n in range(count)
    ]
    try:
        for child in children:
            assert child.stdout
            assert child.stdout.readline().strip() == "ready"
        for child in children:
            assert child.stdin
            child.stdin.write("go\n")
            child.stdin.flush()
        return [json.loads(child.communicate(timeout=seconds + 60)[0]) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()


def overcommitted(database: Database) -> int:
    """Hosts that hold more than they have by the default policy, or whose books don't balance."""
    held = [func.coalesce(func.sum(getattr(table_of(Claim).c, name)), 0) for name in ("vcpus", "memory_mib")]
    sums = select(Claim.host_id, *(column.label(f"n{n}") for n, column in enumerate(held))).group_by(Claim.host_id)
    found = 0
    with database.read() as session:
        hosts = {h.id: h for h in session.scalars(select(Host))}
        for host_id, vcpus, memory in session.execute(sums):
            host = hosts[host_id]
            fits = host.used_vcpus <= (host.limit_vcpus or 0) and memory <= host.memory_mib
            found += not fits or (vcpus, memory) != (host.used_vcpus, host.used_memory_mib)
    return found


def claims_figures(server: Postgres) -> dict[str, float]:
    """durable_per_s with as many schedulers as this machine feeds, and what eight do to each other."""
    rates, broken = zip(*(_durable(server, f"durable{n}") for n in range(ROUNDS)), strict=True)
    figures = {"durable_per_s": median(rates)}
    database = database_with_hosts(server.create_database("eight"), HOSTS)
    said = schedulers(database, 8, 32, SECONDS)
    tried = sum(one["claimed"] + one["conflicts"] for one in said)
    figures["conflict_rate"] = sum(one["conflicts"] for one in said) / tried
    figures["overcommitted"] = sum(broken) + overcommitted(database)
    database.close()
    return figures


def _durable(server: Postgres, name: str) -> tuple[float, int]:
    """Claims a second of two schedulers on a new installation, and the hosts that are overcommitted then."""
    database = database_with_hosts(server.create_database(name), HOSTS)
    try:
        said = schedulers(database, 2, GROUP, SECONDS)
        return sum(one["claimed"] / one["seconds"] for one in said), overcommitted(database)
    finally:
        database.close()


def measure(parts: Sequence[str] = ("claims", "queue")) -> dict[str, float]:
    """Every figure of this file."""
    figures: dict[str, float] = {}
    with durable_postgres() as server:
        if "claims" in parts:
            figures |= claims_figures(server)
        if "queue" in parts:
            figures |= queue_figures(database_with_hosts(server.create_database("queue"), HOSTS))
    return figures


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--only", type=click.Choice(["claims", "queue"]), help="One part.")
def main(as_json: bool, only: str | None) -> None:
    """Measure and print."""
    show(measure([only] if only else ("claims", "queue")), as_json)


if __name__ == "__main__":
    main()
