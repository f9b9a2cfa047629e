# SPDX-License-Identifier: Apache-2.0
"""POST /v1/vms against a bare Flask POST that commits one row, under the same gunicorn, on PostgreSQL; and lists."""

import http.client
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from sqlalchemy import insert, select

from services.common.contracts.ids import new_id
from services.common.store.database import database_from_url
from services.common.store.projects import Project
from services.common.store.vms import Vm
from tests.bench import embedded
from tests.bench.figures import percentile, show
from tests.support.process import Process
from tests.support.stack import ROOT, Stack, free_port, running
from tests.support.waiting import until

BARE = "tests.bench.bare_flask:app"
WIDE = 4


class Poster:
    """One keep-alive connection."""

    def __init__(self, url: str, path: str, headers: dict[str, str]):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._path = path
        self._headers = {"Content-Type": "application/json", **headers}

    def post(self, body: dict[str, Any]) -> float:
        """Seconds of one POST."""
        begun = time.perf_counter()
        self._connection.request("POST", self._path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status not in (201, 202):
            raise AssertionError(f"{answer.status}: {text[:500]!r}")
        return time.perf_counter() - begun


def rate(posters: list[Poster], body: Callable[[int], dict[str, Any]], count: int) -> float:
    """POSTs per second over all connections."""

    def lane(number: int) -> None:
        for n in range(count):
            posters[number].post(body(number * count + n))

    begun = time.perf_counter()
    with ThreadPoolExecutor(len(posters)) as pool:
        list(pool.map(lane, range(len(posters))))
    return len(posters) * count / (time.perf_counter() - begun)


def bare_flask(stack: Stack) -> Process:
    """The floor, under the same gunicorn and its settings."""
    port = free_port()
    assert stack.postgres is not None
    env = {
        **stack.env,
        "INNKEEPER_API_BIND": f"127.0.0.1:{port}",
        "BARE_DATABASE_URL": stack.postgres.create_database("bare"),
    }
    argv = [str(Path(sys.executable).parent / "gunicorn"), "-c", str(ROOT / "services/api/gunicorn.conf.py"), BARE]
    process = Process("bare", argv, env, stack.directory / "bare.log")
    process.start()
    process.env["URL"] = f"http://127.0.0.1:{port}"
    return process


def posts(stack: Stack, rounds: int, count: int) -> tuple[float, dict[str, Any]]:
    """Ratio of medians of interleaved rounds."""
    bare = bare_flask(stack)
    try:
        until(lambda: _answers(bare.env["URL"]), 30, f"bare flask\n{bare.tail()}")
        token = {"Authorization": stack.http.headers["Authorization"]}
        floor = [Poster(bare.env["URL"], "/rows", {}) for _ in range(WIDE)]
        ours = [Poster(stack.api_url, "/v1/vms", token) for _ in range(WIDE)]
        floor_rates, our_rates = [], []
        for number in range(rounds + 1):
            got_floor = rate(floor, partial(_row, number), count)
            got_ours = rate(ours, partial(_vm, number), count)
            if number:  # the first round warms
                floor_rates.append(got_floor)
                our_rates.append(got_ours)
        ratio = statistics.median(our_rates) / statistics.median(floor_rates)
        notes = {"post_per_s": round(statistics.median(our_rates)), "bare_per_s": round(statistics.median(floor_rates))}
        return ratio, notes
    finally:
        bare.stop()


def _answers(url: str) -> bool:
    try:
        Poster(url, "/rows", {}).post({"name": "probe", "size": 1})
    except (OSError, http.client.HTTPException):
        return False
    return True


def _row(number: int, n: int) -> dict[str, Any]:
    return {"name": f"b{number}-{n}", "size": 1}


def _vm(number: int, n: int) -> dict[str, Any]:
    return {"name": f"b{number}-{n}", "os": "mini", "flavor": "tiny", "networks": [{"network": "default"}]}


def lists(stack: Stack, count: int, looks: int) -> float:
    """p95 in ms of GET /v1/vms over `count` vms."""
    database = database_from_url(stack.env["INNKEEPER_DATABASE_URL"])
    with database.write() as session:
        project = session.scalars(select(Project.id)).one()
        pattern = session.scalars(select(Vm).limit(1)).one()
        rows = []
        for n in range(count):
            row = {c.key: getattr(pattern, c.key) for c in Vm.__table__.columns}
            rows.append(
                {**row, "id": new_id(), "name": f"many-{n}", "project_id": project, "job_id": None, "state": "ready"}
            )
        session.execute(insert(Vm), rows)
    database.close()
    times = []
    for _ in range(looks):
        begun = time.perf_counter()
        answer = stack.http.get("/v1/vms")
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200
        assert len(answer.json()["items"]) >= 50
    return percentile(times, 0.95)


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--count", default=100, show_default=True, help="POSTs per connection and round.")
def main(as_json: bool, rounds: int, count: int) -> None:
    """Measure and print."""
    directory = Path(tempfile.mkdtemp(prefix="ikb-"))
    with running(directory, postgres=True, services=()) as stack:
        ratio, notes = posts(stack, rounds, count)
        figures = {"post_ratio": ratio, "list_p95_ms": lists(stack, 10_000, 100)}
    show({**figures, **embedded.measure()}, as_json, notes)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
