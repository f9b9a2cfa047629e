# SPDX-License-Identifier: Apache-2.0
"""Two of each service at once: one of each is killed, then all ten are replaced one after the other, amid creates."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.chaos.checker import judge, rows
from tests.chaos.storm import audited, insist, orphans_collected
from tests.support.missing import servers_needed
from tests.support.process import Process
from tests.support.scratch import short_directory
from tests.support.two_of_each import EACH, TwoOfEach, second, two_of_each
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
CREATES = 20
HOSTS = ("one", "two")
ALL = (*EACH, *map(second, EACH))
Heard = tuple[str, int]  # an event's job and seq
LEADING = {"conductor": "recorder", "scheduler": "night-watch"}  # somebody must notice that these are dead
ENV = {
    "INNKEEPER_LEASE_S": "2",
    "INNKEEPER_ORPHAN_GRACE_S": "3",
    "INNKEEPER_API_WORKERS": "1",
    "INNKEEPER_API_DRAIN_S": "1",
}
# A connection that was kept alive is closed while the next request is on its way: it was not answered, and whoever
# stands before several APIs sends it to another one (here the client does, with the same Idempotency-Key).
UNANSWERED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@pytest.fixture
def stack() -> Iterator[TwoOfEach]:
    with servers_needed(), short_directory() as directory, two_of_each(directory, ENV) as found:
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            list(pool.map(found.enrol, HOSTS))
        yield found


def body(name: str) -> dict[str, object]:
    return {"name": name, "os": "mini", "flavor": "tiny", "networks": [{"network": "default"}]}


def seen_well(stack: TwoOfEach, jobs: Mapping[str, str], prefix: str) -> None:
    """All are ready, nothing was done twice, and nobody finds anything that is nobody's; `jobs` are names by id."""
    for job in jobs:
        stack.finish(job, 60)
    wrong = losses(stack, jobs, prefix)
    assert not wrong, "\n".join([*wrong, stack.tails()])
    agents = [stack.directory / f"agent-{host}" for host in HOSTS]
    asked = {f"{prefix}-{n}": "keep" for n in range(CREATES)}
    verdict = orphans_collected(lambda: audited(stack, judge(stack, agents, [], asked)))
    assert verdict.clean, (verdict, stack.tails())


def losses(stack: TwoOfEach, jobs: Mapping[str, str], prefix: str) -> list[str]:
    """What was lost, failed, or done twice, by name, job and state."""
    wrong = []
    found = {row[0]: row for row in rows(stack, "SELECT id, kind, state, step, error FROM jobs")}
    for job, name in jobs.items():
        if job not in found:
            wrong.append(f"{name}: job {job} was answered with 202, and isn't there")
    for job, kind, state, step, error in found.values():
        if state != "succeeded":
            name = jobs.get(job, "asked for before")
            wrong.append(f"{name}: {kind} {job} is {state} at {step!r}: {error}")
    twice = "SELECT job_id, step, count(*) FROM job_events WHERE kind = 'step.finished' GROUP BY 1, 2"
    wrong += [f"job {job} finished {step!r} {n} times" for job, step, n in rows(stack, f"{twice} HAVING count(*) > 1")]
    gaps = "SELECT job_id, count(*), max(seq) FROM job_events GROUP BY 1 HAVING count(*) <> max(seq)"
    wrong += [f"job {job} has {n} events up to number {last}" for job, n, last in rows(stack, gaps)]
    vms = rows(stack, f"SELECT name, id, state, job_id FROM vms WHERE name LIKE '{prefix}-%'")
    wrong += [f"vm {name} {vm} is {state}, job {job}" for name, vm, state, job in vms if state != "ready"]
    there = Counter(vm[0] for vm in vms)
    wrong += [f"vm {name} is there {there[name]} times" for name in {*jobs.values(), *there} if there[name] != 1]
    if len(jobs) != CREATES:
        wrong.append(f"{len(jobs)} jobs of {CREATES} creates: {dict(jobs)}")
    return wrong


def one_leads(stack: TwoOfEach) -> None:
    """Each role is somebody's, and nobody else's."""
    for role in ("sweeper", "keeper", "recorder", "relay", "night-watch"):
        until(partial(one_has, stack, role), 15, f"one leads as {role}")


def one_has(stack: TwoOfEach, role: str) -> bool:
    return len(stack.leaders(role)) == 1


def one_of_each_killed(stack: TwoOfEach) -> None:
    """In the middle of creates; what was begun is finished by those that are left."""
    one_leads(stack)
    leading = {name: stack.leaders(role)[0] for name, role in LEADING.items()}
    victims = [leading.get(name, name) for name in EACH]
    due = dict(zip(range(3, CREATES, 3), victims, strict=False))
    assert len(due) == len(victims)

    def create(n: int) -> tuple[str, str]:
        if n in due:
            stack.processes[due[n]].kill()
        name = f"killed-{n}"
        answer = insist(stack, "POST", "/v1/vms", json=body(name))
        assert answer.status_code == 202, f"{name}: {answer.status_code} {answer.text}"
        return str(answer.json()["job"]["id"]), name

    with ThreadPoolExecutor(3) as pool:
        jobs = dict(pool.map(create, range(CREATES)))
    seen_well(stack, jobs, "killed")
    assert all(stack.processes[name].ended() for name in victims)


class Client:
    """Creates through the balancer; what was not answered is sent again and counted, all else must succeed."""

    def __init__(self, stack: TwoOfEach):
        self.unanswered: Counter[str] = Counter()
        self._stack = stack

    def create(self, name: str) -> str:
        key = {"Idempotency-Key": str(uuid4())}
        while True:
            try:
                answer = self._stack.http.post("/v1/vms", json=body(name), headers=key)
            except UNANSWERED as error:
                self.unanswered[type(error).__name__] += 1
                assert self.unanswered.total() < CREATES, f"{name}: {dict(self.unanswered)}"
                continue
            if answer.status_code == 409 and answer.json()["code"] == "still-running":
                continue  # the one that gave no answer is still at it
            assert answer.status_code == 202, f"{name}: {answer.status_code} {answer.text}"
            return str(answer.json()["job"]["id"])


class Follower:
    """Reads the project's stream; when it ends, goes on from the last id with whoever is there."""

    def __init__(self, stack: TwoOfEach):
        self.ids: list[str] = []
        self.heard: list[Heard] = []
        self.sent_away = 0
        self.begun = False
        self._stack = stack
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._read()
            except httpx.HTTPError:
                self._ended.wait(0.1)

    def _read(self) -> None:
        more = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
        headers = {**self._stack.http.headers, "Accept": "text/event-stream", **more}
        with httpx.stream("GET", f"{self._stack.api_url}/v1/events", headers=headers, trust_env=False) as answer:
            for line in answer.iter_lines():
                self.begun = True
                if line.startswith("id: "):
                    self.ids.append(line.removeprefix("id: "))
                if line.startswith("data: "):
                    self._hear(json.loads(line.removeprefix("data: ")))
                if "come back" in line:
                    self.sent_away += 1
                if self._ended.is_set():
                    return

    def _hear(self, event: dict[str, Any]) -> None:
        if event.get("seq"):
            self.heard.append((event["job"], event["seq"]))

    def missed(self, jobs: Iterable[str]) -> list[Heard]:
        """Events of these jobs that are in the table, and weren't told."""
        told = set(self.heard)
        there = [(str(job), int(seq)) for job, seq in rows(self._stack, "SELECT job_id, seq FROM job_events")]
        return sorted(one for one in there if one[0] in set(jobs) and one not in told)

    def stop(self) -> None:
        self._ended.set()


def all_told(follower: Follower, jobs: Iterable[str]) -> None:
    """Nothing that happened was left out of the stream, whoever it was read from."""
    end = time.monotonic() + 20
    while missed := follower.missed(jobs):
        assert time.monotonic() < end, f"never told (job, seq): {missed}"
        time.sleep(0.3)


def all_restarted(stack: TwoOfEach) -> None:
    """All ten in turn, as Kubernetes does it: a new one is started and becomes ready, then an old one is to end."""
    dead = [name for name in ALL if stack.processes[name].ended()]
    for name in dead:
        stack.processes[name].start()
    stack.up(*ALL)
    client, follower, jobs = Client(stack), Follower(stack), dict[str, str]()

    def create() -> None:
        name = f"rolled-{len(jobs)}"
        jobs[client.create(name)] = name

    until(lambda: follower.begun, 10, "the stream")
    old: dict[str, Process] = {}
    for name in sorted(ALL):  # both of one service, then of the next
        old[name] = stack.successor_started(name)
        create()
        stack.up(name)
        old[name].terminate()
        create()
    for name, process in old.items():
        until(process.ended, 30, f"the old {name} ended\n{process.tail()}")
    codes = {name: process.exit_code for name, process in old.items() if process.exit_code != 0}
    assert not codes, f"ended otherwise than with 0: {codes}\n" + "\n".join(old[name].tail() for name in codes)
    seen_well(stack, jobs, "rolled")
    one_leads(stack)
    assert not set(old.values()) & set(stack.processes.values())
    all_told(follower, jobs)
    follower.stop()
    twice = [one for one, n in Counter(follower.heard).items() if n > 1]
    assert not twice, f"told twice: {twice}"
    assert len(follower.ids) == len(set(follower.ids))
    assert follower.sent_away, "no stream was sent away, though both apis ended"
    print(f"unanswered: {dict(client.unanswered)}; streams sent away: {follower.sent_away}")


def test_killing_one_of_each_and_a_rolling_restart_lose_double_and_leave_nothing(stack: TwoOfEach) -> None:
    one_of_each_killed(stack)
    all_restarted(stack)
