# SPDX-License-Identifier: Apache-2.0
"""The service as a process: it answers, it is rung for a job, it shows figures, and it ends when told to."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from deploy.local.servers import RabbitMQ, Redis
from services.common.contracts.codec import dump, load
from services.common.contracts.flow import QUEUES
from services.common.contracts.placement import Decision
from services.common.runtime.ask import ask
from services.common.runtime.bus import Publisher, every_queue
from services.common.store.database import database_from_url
from services.common.store.hosts import StoredDecision
from services.common.store.migrate import upgrade
from services.scheduler.explain import TOPIC
from tests.support.inn import Inn
from tests.support.placing import a_request
from tests.support.process import Process
from tests.support.stack import free_port
from tests.support.waiting import until


@pytest.fixture
def scheduler(rabbit: RabbitMQ, redis_server: Redis, tmp_path: Path) -> Iterator[Process]:
    env = {
        **os.environ,
        "PYTHONPATH": os.getcwd(),
        "INNKEEPER_DATABASE_URL": f"sqlite:///{tmp_path}/innkeeper.db",
        "INNKEEPER_BROKER_URL": rabbit.url,
        "INNKEEPER_REDIS_URL": redis_server.url,
        "INNKEEPER_KEYS_DIR": str(tmp_path / "keys"),
        "INNKEEPER_STATE_DIR": str(tmp_path / "state"),
        "INNKEEPER_METRICS_PORT": str(free_port()),
        "INNKEEPER_HEARTBEAT_FILE": str(tmp_path / "alive"),
    }
    process = Process("scheduler", [sys.executable, "-m", "services.scheduler"], env, tmp_path / "scheduler.log")
    yield process
    process.kill()


def test_the_scheduler_explains_places_and_ends_in_order(scheduler: Process, rabbit: RabbitMQ) -> None:
    database = database_from_url(scheduler.env["INNKEEPER_DATABASE_URL"])
    upgrade(database)
    inn = Inn(database)
    host = inn.add_host("h1", heartbeat_at=time.time())
    vm, job = inn.add_vm("web")
    scheduler.start()

    decision = load(Decision, ask(scheduler.env["INNKEEPER_REDIS_URL"], TOPIC, dump(a_request()), timeout_s=30))
    assert decision.host == host, scheduler.tail()

    publisher = Publisher(rabbit.url)
    for queue in every_queue([]):
        publisher.declare(queue)
    publisher.ring(QUEUES[0], "scheduler.place", job)
    until(lambda: inn.vm(vm).host_id == host, 30, f"the vm to be placed\n{scheduler.tail()}")
    publisher.close()
    assert inn.used() == inn.claimed() == {host: (1, 256, 1)}
    assert Path(scheduler.env["INNKEEPER_HEARTBEAT_FILE"]).exists()

    url = scheduler.env["INNKEEPER_REDIS_URL"]
    with database.read() as session:
        (kept,) = session.scalars(select(StoredDecision.id))
    assert ask(url, "replay", {"decision": kept})["same"] is True
    tried = ask(url, "simulate", {"policy": "energy-first", "days": 1, "decisions": 10}, timeout_s=60)
    assert (tried["vms"], [o["placed"] for o in tried["outcomes"]]) == (1, [1, 1]), tried
    assert ask(url, "what-fits", {}, timeout_s=60)["hosts"] == 1

    metrics = httpx.get(f"http://127.0.0.1:{scheduler.env['INNKEEPER_METRICS_PORT']}/metrics", trust_env=False).text
    assert 'innkeeper_claims{host="h1"} 1.0' in metrics
    assert 'innkeeper_decisions_total{outcome="placed"} 1.0' in metrics

    os.kill(scheduler.pid, signal.SIGTERM)
    until(scheduler.ended, 30, f"the scheduler to end\n{scheduler.tail()}")
    assert "Traceback" not in scheduler.tail()
    database.close()


def test_a_bad_policy_keeps_the_scheduler_from_starting_and_says_why(scheduler: Process, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Sandwich\n")
    scheduler.start(INNKEEPER_POLICY_FILE=str(tmp_path / "bad.yaml"))
    until(scheduler.ended, 30, "the scheduler to give up")
    assert "'Sandwich' is unknown" in scheduler.tail()
    assert "line 1, column 7" in scheduler.tail()
