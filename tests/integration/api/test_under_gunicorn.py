# SPDX-License-Identifier: Apache-2.0
"""The API as it is run: several processes of gunicorn, PostgreSQL, and readers of event streams."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.common.contracts.events import JobEventKind
from services.common.contracts.ids import new_id
from services.common.contracts.topics import job_channel
from services.common.runtime.feed import Feed
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, answers, running
from tests.support.waiting import until

Frame = dict[str, str]  # id, event, data; or comment


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # A short path: it holds unix sockets. No engine runs, so a job stands where it was opened.
    with servers_needed(), short_directory() as directory, running(directory, postgres=True, services=()) as found:
        yield found


def spec() -> dict[str, Any]:
    return {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"}


class Reader:
    """Reads a stream in a thread of its own, until it ends or nobody wants more."""

    def __init__(self, stack: Stack, url: str, last: str = "", api: str = ""):
        self.frames: list[Frame] = []
        self.ended = False
        self._headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        self._stack, self._url = stack, (api or stack.api_url) + url
        self._wanted = True
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        try:
            self._follow()
        except httpx.HTTPError:
            if self._wanted:
                raise

    def _follow(self) -> None:
        frame: Frame = {}
        every = {**self._stack.http.headers, **self._headers}
        with httpx.stream("GET", self._url, headers=every, timeout=30, trust_env=False) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                key, _, value = line.partition(": ")
                if line:
                    frame[key or "comment"] = value
                elif frame:
                    self.frames.append(frame)
                    frame = {}
                if not self._wanted:
                    return
        self.ended = True

    def ids(self) -> list[str]:
        return [frame["id"] for frame in self.frames if "id" in frame]

    def kinds(self) -> list[str]:
        return [frame["event"] for frame in self.frames if "event" in frame]

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        self._thread.start()
        until(lambda: self.frames, 10, "the stream begins")
        try:
            yield self
        finally:
            self._wanted = False


def test_fifty_posts_with_one_key_at_once_make_one_vm(stack: Stack) -> None:
    body, headers = spec(), {"Idempotency-Key": str(uuid4())}
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: stack.http.post("/v1/vms", json=body, headers=headers), range(50)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"still-running"}
    assert len({answer.json()["vm"]["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(stack.http.get("/v1/vms", params={"name": body["name"]}).json()["items"]) == 1
    again = stack.http.post("/v1/vms", json=body, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")


def test_fifty_posts_of_one_name_at_once_make_one_vm(stack: Stack) -> None:
    body = spec()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: stack.http.post("/v1/vms", json=body), range(50)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 49
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("conflict", "/name")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_ten_megabytes_is_refused_whether_or_not_it_says_its_length(stack: Stack, chunked: bool) -> None:
    body = b" " * (10 * 1024 * 1024) + json.dumps(spec()).encode()
    parts = (body[n : n + 65536] for n in range(0, len(body), 65536))
    headers = {"Content-Type": "application/json"}
    answer = stack.http.post("/v1/vms", content=parts if chunked else body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert stack.http.get("/v1/me").status_code == 200


@pytest.mark.parametrize(
    "sent, status",
    [
        (b"GET /uii/oslist HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET /uii/oslist\r\n\r\n", 400),
        (b"GET /uii/oslist HTTP/1.1\r\nAuthorization: Bearer " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /v1/me?" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_what_the_server_itself_refuses_is_json_that_every_client_reads(stack: Stack, sent: bytes, status: int) -> None:
    address = httpx.URL(stack.api_url)
    with socket.create_connection((address.host, address.port or 0), timeout=10) as link:
        link.sendall(sent)
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert b"Content-Type: application/problem+json" in head
    found = json.loads(body)
    assert (found["status"], found["statuscode"]) == (status, status)
    assert all(isinstance(text, str) and text for text in found["errors"])


def test_a_job_s_stream_replays_goes_on_live_and_ends_with_the_job(stack: Stack) -> None:
    made = stack.http.post("/v1/vms", json=spec()).json()
    job = made["job"]["id"]
    url = f"/v1/jobs/{job}/events"
    with Reader(stack, url).reading() as reader:
        until(lambda: reader.ids() == ["1"], 10, "what was there before")
        progress = {
            "kind": str(JobEventKind.PROGRESS),
            "job": job,
            "step": "build",
            "percent": 40.0,
            "text": "unpacking",
        }
        Feed(stack.redis.url).publish(job_channel(job), progress)
        until(lambda: "progress" in reader.kinds(), 10, "progress")
        assert stack.http.delete(f"/v1/vms/{made['vm']['id']}").status_code == 202  # which ends the create
        until(lambda: reader.ended, 10, f"the end of the stream: {reader.frames}")
    told = [json.loads(frame["data"]) for frame in reader.frames if "data" in frame]
    assert [t["seq"] for t in told if "seq" in t] == list(range(1, len(reader.ids()) + 1))
    assert told[-1]["kind"] == "job.cancelled"
    assert [frame.get("id") for frame in reader.frames if frame.get("event") == "progress"] == [None]
    # Whoever comes back with the last id it saw gets what it missed; progress is not kept.
    with Reader(stack, url, last="1").reading() as again:
        until(lambda: again.ended, 10, "the end of the replay")
    assert again.ids() == reader.ids()[1:]
    listed = stack.http.get(url).json()["items"]
    assert listed == [t for t in told if "seq" in t]


def test_a_silent_stream_says_that_it_is_still_there(stack: Stack) -> None:
    job = stack.http.post("/v1/vms", json=spec()).json()["job"]["id"]
    begun = time.monotonic()
    with Reader(stack, f"/v1/jobs/{job}/events").reading() as reader:
        until(lambda: any("still here" in frame.get("comment", "") for frame in reader.frames), 20, "a heartbeat")
    assert time.monotonic() - begun < 15


def test_the_project_s_stream_begins_now_and_resumes_where_it_was_left(stack: Stack) -> None:
    stack.http.post("/v1/vms", json=spec())
    with Reader(stack, "/v1/events").reading() as reader:
        first = stack.http.post("/v1/vms", json=spec()).json()["job"]["id"]
        until(reader.ids, 10, "the first event")
        assert [json.loads(frame["data"])["job"] for frame in reader.frames if "data" in frame] == [first]
    later = [stack.http.post("/v1/vms", json=spec()).json()["job"]["id"] for _ in range(3)]
    with Reader(stack, "/v1/events", last=reader.ids()[0]).reading() as again:
        until(lambda: len(again.ids()) >= 3, 10, "what was missed")
        assert [json.loads(frame["data"])["job"] for frame in again.frames if "data" in frame] == later
    page = stack.http.get("/v1/events", params={"after": reader.ids()[0]}).json()
    assert [event["job"] for event in page["items"]] == later
    assert page["next"] == again.ids()[-1]


def test_waiting_for_a_job_ends_with_the_job_or_when_the_time_is_over(stack: Stack) -> None:
    begun = time.monotonic()
    assert stack.http.post("/v1/vms", json=spec(), params={"wait": 0.5}).status_code == 202
    assert time.monotonic() - begun >= 0.5
    body = spec()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.http.post, "/v1/vms", json=body, headers={"Prefer": "wait=30"})
        mine = {"name": body["name"]}
        found = until(lambda: stack.http.get("/v1/vms", params=mine).json()["items"], 10, "the vm")
        assert stack.http.delete(f"/v1/vms/{found[0]['id']}").status_code == 202
        answer = waiting.result(10)
    assert answer.status_code == 200
    assert answer.json()["job"]["state"] == "cancelled"
    assert answer.json()["vm"]["state"] == "deleting"


class SlowPost:
    """A request whose body is sent in two pieces, with as much time between them as the test likes."""

    def __init__(self, stack: Stack, api: str):
        address, sent = httpx.URL(api), json.dumps(spec()).encode()
        words = {"Host": address.netloc.decode(), "Authorization": stack.http.headers["Authorization"]}
        words |= {"Content-Type": "application/json", "Content-Length": str(len(sent))}
        head = "".join(f"{name}: {value}\r\n" for name, value in words.items())
        self._link = socket.create_connection((address.host, address.port or 0), timeout=20)
        self._rest = sent[9:]
        self._link.sendall(f"POST /v1/vms HTTP/1.1\r\n{head}\r\n".encode() + sent[:9])

    def ends(self) -> tuple[int, dict[str, Any]]:
        """Send what is left; status and body of the answer."""
        with self._link:
            self._link.sendall(self._rest)
            answer = b"".join(iter(lambda: self._link.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


def test_an_api_that_is_asked_to_end_sends_nobody_away_unanswered(stack: Stack) -> None:
    api, url = stack.another_api("ending", INNKEEPER_API_DRAIN_S="4", INNKEEPER_API_WORKERS="2")
    here = {"headers": stack.http.headers, "trust_env": False, "timeout": 20.0}
    with ThreadPoolExecutor(1) as pool, Reader(stack, "/v1/events", api=url).reading() as reader:
        slow = SlowPost(stack, url)
        waiting = pool.submit(httpx.post, f"{url}/v1/vms", json=spec(), params={"wait": 60}, **here)
        until(reader.ids, 10, "the waiting one's first event")
        asked = time.monotonic()
        api.terminate()
        until(lambda: answers(f"{url}/readyz") == 503, 3.5, "/readyz says no while it still answers")
        assert "draining" in httpx.get(f"{url}/readyz", **here).text
        assert httpx.get(f"{url}/v1/me", **here).status_code == 200
        until(lambda: reader.ended, 10, f"the end of the stream: {reader.frames}")
        assert (reader.frames[-1]["retry"], reader.frames[-1]["comment"][:21]) == ("200", "this server is ending")
        assert waiting.result(10).status_code == 202
        assert not api.ended()
        until(lambda: answers(f"{url}/readyz") == 0, 15, "it takes no more connections")
        assert time.monotonic() - asked >= 4
        assert not api.ended(), "there is a request in hand"
        status, made = slow.ends()
        assert (status, made["job"]["state"]) == (202, "queued")
    until(api.ended, 15, f"its end\n{api.tail()}")
    assert api.exit_code == 0
    with Reader(stack, "/v1/events", last=reader.ids()[-1]).reading() as again:
        until(again.ids, 10, "what came after, from another API")
        assert [json.loads(frame["data"])["job"] for frame in again.frames if "data" in frame] == [made["job"]["id"]]


def test_an_api_that_was_killed_leaves_the_next_one_no_figures(stack: Stack) -> None:
    api, counted = stack.processes["api"], stack.directory / "api-metrics"
    stranger = counted / "innkeeper.db"
    stranger.touch()
    left = set(counted.glob("*_*.db"))
    assert left
    api.kill()
    api.start()
    until(stack.ready, 30, f"the API again\n{api.tail()}", pause=0.1)
    assert not left & set(counted.iterdir())
    stranger.unlink()  # fails if it was taken for figures
    assert "innkeeper_api_request_seconds" in stack.http.get("/metrics").text
