# SPDX-License-Identifier: Apache-2.0
"""Two of each service at once: one of each is killed, then all are restarted one after the other, amid creates."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import httpx
import pytest

from tests.chaos.checker import judge, rows
from tests.chaos.storm import audited, insist, orphans_collected
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.two_of_each import EACH, TwoOfEach, second, two_of_each
from tests.support.waiting import until

pytestmark = [pytest.mark.replicas, pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
CREATES = 20
HOSTS = ("one", "two")
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


def seen_well(stack: TwoOfEach, jobs: Sequence[str], prefix: str) -> None:
    """All are ready, nothing was done twice, and nobody finds anything that is nobody's."""
    for job in jobs:
        assert stack.finish(job, 60)["state"] == "succeeded"
    twice = "SELECT job_id, step FROM job_events WHERE kind = 'step.finished' GROUP BY 1, 2 HAVING count(*) > 1"
    assert rows(stack, twice) == []
    gapless = "SELECT job_id FROM job_events GROUP BY 1 HAVING count(*) <> max(seq)"
    assert rows(stack, gapless) == []
    ready = f"SELECT count(*), count(DISTINCT name) FROM vms WHERE name LIKE '{prefix}-%' AND state = 'ready'"
    assert [int(n) for n in rows(stack, ready)[0]] == [CREATES, CREATES]
    agents = [stack.directory / f"agent-{host}" for host in HOSTS]
    asked = {f"{prefix}-{n}": "keep" for n in range(CREATES)}
    verdict = orphans_collected(lambda: audited(stack, judge(stack, agents, [], asked)))
    assert verdict.clean, (verdict, stack.tails())


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

    def create(n: int) -> str:
        if n in due:
            stack.processes[due[n]].kill()
        answer = insist(stack, "POST", "/v1/vms", json=body(f"killed-{n}"))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job"]["id"])

    with ThreadPoolExecutor(3) as pool:
        jobs = list(pool.map(create, range(CREATES)))
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
                assert self.unanswered.total() < CREATES, self.unanswered
                continue
            if answer.status_code == 409 and answer.json()["code"] == "still-running":
                continue  # the one that gave no answer is still at it
            assert answer.status_code == 202, answer.text
            return str(answer.json()["job"]["id"])


class Follower:
    """Reads the project's stream; when it ends, goes on from the last id with whoever is there."""

    def __init__(self, stack: TwoOfEach):
        self.ids: list[str] = []
        self.sent_away = self.heard_before = 0
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
                if "come back" in line:
                    self.sent_away, self.heard_before = self.sent_away + 1, len(self.ids)
                if self._ended.is_set():
                    return

    def stop(self) -> None:
        self._ended.set()


def all_restarted(stack: TwoOfEach) -> None:
    """Those that were killed are started anew, then the others asked to end: in the end no process is an old one."""
    client, follower, jobs = Client(stack), Follower(stack), list[str]()

    def create() -> None:
        jobs.append(client.create(f"rolled-{len(jobs)}"))

    until(lambda: follower.begun, 10, "the stream")
    old = [name for name in (*EACH, *map(second, EACH)) if not stack.processes[name].ended()]
    new = [name for name in (*EACH, *map(second, EACH)) if name not in old]
    assert len(old) == len(new) == len(EACH)
    for name in new:
        stack.processes[name].start()
        create()
    stack.up(*new)
    for name in old:
        stack.processes[name].terminate()
        create()
        create()
    for name in old:
        process = stack.processes[name]
        until(process.ended, 30, f"{name} ended\n{process.tail()}")
        process.start()
        create()
    stack.up(*old)
    seen_well(stack, jobs, "rolled")
    one_leads(stack)
    until(lambda: follower.sent_away and len(follower.ids) > follower.heard_before, 20, "news from another api")
    follower.stop()
    assert len(follower.ids) == len(set(follower.ids))
    print(f"unanswered: {dict(client.unanswered)}; streams sent away: {follower.sent_away}")


def test_killing_one_of_each_and_a_rolling_restart_lose_double_and_leave_nothing(stack: TwoOfEach) -> None:
    one_of_each_killed(stack)
    all_restarted(stack)
