# SPDX-License-Identifier: Apache-2.0
"""A vm with marked secrets goes through the whole platform: afterwards the marks are in its own seed, and nowhere else.

What is looked through: every file of the installation (logs, database, broker, Redis, state, the host's agent), every
message of the broker, every command Redis got, every key it has, what the API answers, Flower, and every trace.
"""

import email
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pycdlib
import pytest
import redis
import yaml

from deploy.local.settings import FLOWER
from tests.e2e.conftest import gone
from tests.support.collector import Collector, Seen, collecting
from tests.support.file_server import serving
from tests.support.listening import listening
from tests.support.missing import servers_needed
from tests.support.process import Process
from tests.support.scratch import short_directory
from tests.support.stack import Stack, free_port, running
from tests.support.waiting import until
from tests.support.windows_guest import GUEST_URL, WindowsGuest, import_medium

pytestmark = pytest.mark.e2e

IMAGE = bytes(510) + b"\x55\xaa" + b"a cloud image" * 10_000
WINDOWS, ADDRESS = "windows-server-2022", "10.78.0.41/24"
PASSWORD, BOOT = f"canary-password-{uuid4().hex}", f"canary-boot-{uuid4().hex}"
# A token of ours: three parts in base64, the first of which is {"alg": or {"typ":.
SIGNED = re.compile(rb"eyJ(hbGciOi|0eXAiOi)[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    settings = {"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.1/32", "INNKEEPER_ORPHAN_GRACE_S": "2"}
    env = {**settings, **GUEST_URL, **collector.env}
    with servers_needed(), short_directory() as folder, running(folder, env=env) as stack:
        stack.enrol("fake-1")
        vendor = tmp_path_factory.mktemp("vendor")
        (vendor / "image.raw").write_bytes(IMAGE)
        with serving(vendor) as url:
            asked = {"name": "debian-13", "os": "debian-13", "kind": "cloud-image", "url": f"{url}/image.raw"}
            answer = stack.http.post("/v1/media", json={**asked, "sha256": sha256(IMAGE).hexdigest()})
            assert stack.finish(answer.raise_for_status().json()["job"]["id"])["state"] == "succeeded"
            import_medium(stack, url, vendor, WINDOWS)
        yield stack


def spellings(*secrets: str) -> list[bytes]:
    """A secret as it is, and as the middle of anything in base64, wherever it begins there."""
    found = []
    for secret in secrets:
        found.append(secret.encode())
        # What is around it changes the first and the last characters.
        found += [b64encode(b"." * n + secret.encode())[4:-4] for n in range(3)]
    return found


def marked(marks: list[bytes], *texts: bytes) -> list[bytes]:
    """The marks that are in one of the texts, or in one without its line ends, as base64 is written in mails."""
    return [mark for mark in marks if any(mark in text or mark in text.replace(b"\n", b"") for text in texts)]


def files_with(marks: list[bytes], folder: Path) -> list[str]:
    """Files below a folder that hold a mark; those that go away meanwhile hold nothing."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and marked(marks, path.read_bytes()):
                found.append(str(path.relative_to(folder)))
        except FileNotFoundError:
            continue
    return found


def forgotten(stack: Stack, marks: list[bytes]) -> bool:
    """Whether no file of the installation holds one of the marks any more."""
    return not files_with(marks, stack.directory)


def password_hash(seed: Path) -> str:
    """As the guest gets it."""
    image = pycdlib.PyCdlib()
    image.open(str(seed))
    with image.open_file_from_iso(rr_path="/user-data") as file:
        parts: Any = email.message_from_bytes(file.read()).get_payload()
    image.close()
    document = yaml.safe_load(parts[0].get_payload(decode=True))
    return str(document["users"][0]["passwd"])


def answers(stack: Stack, vm: str, job: str) -> bytes:
    """All that the API tells of the vm and its job."""
    paths = [
        f"/v1/vms/{vm}",
        "/v1/vms",
        f"/v1/jobs/{job}",
        "/v1/jobs",
        f"/v1/jobs/{job}/events",
        "/v1/media",
        "/metrics",
    ]
    return b"\n".join(stack.http.get(path).content for path in paths)


def in_redis(stack: Stack) -> bytes:
    """Every key and its whole value, as Redis would move it to another Redis."""
    client = redis.Redis.from_url(stack.redis.url)
    return b"\n".join(key + (client.dump(key) or b"") for key in client.scan_iter())


@contextmanager
def flower(stack: Stack) -> Iterator[Callable[[], bytes]]:
    """Flower beside the stack; gives all its pages about tasks, workers and the broker."""
    port, password = free_port(), uuid4().hex
    argv = [sys.executable, "-m", "celery", "flower", "--address=127.0.0.1", f"--port={port}"]
    env = {
        **stack.env,
        "CELERY_BROKER_URL": stack.rabbit.url,
        "FLOWER_BROKER_API": f"{stack.rabbit.admin_url}/api/",
        "FLOWER_BASIC_AUTH": f"admin:{password}",
        **FLOWER,
    }
    process = Process("flower", argv, env, stack.directory / "flower.log")
    process.start()
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("admin", password), trust_env=False)

    def up() -> bool:
        try:
            return client.get("/api/tasks").status_code == 200
        except httpx.TransportError:
            return False

    def pages() -> bytes:
        assert client.post("/api/worker/shutdown/worker@here").status_code in (403, 405), "who looks could end workers"
        found = [client.get(path) for path in ("/", "/workers", "/tasks", "/broker", "/api/tasks", "/metrics")]
        assert all(page.status_code == 200 for page in found), process.tail()
        return b"\n".join(page.content for page in found)

    try:
        until(up, 60, "Flower answers")
        yield pages
    finally:
        client.close()
        process.stop()


def shown(page: bytes, job: str) -> bool:
    """Whether an operator who has a job's id finds its tasks, by name."""
    return all(
        name in page for name in (job.encode(), b'"scheduler.place"', b'"imagebuilder.build"', b'"worker.verify"')
    )


def made(stack: Stack) -> tuple[str, str]:
    """(vm, job): one with marked secrets, ready."""
    users = [{"name": "ops", "password": PASSWORD}]
    first_boot = f"#!/bin/sh\n# {BOOT}\n"
    asked = stack.create(
        f"canary-{uuid4().hex[:8]}", os="debian-13", flavor="small", users=users, first_boot=first_boot
    )
    job = stack.finish(asked["job"]["id"])
    assert job["state"] == "succeeded", job
    return asked["vm"]["id"], job["id"]


def windows(stack: Stack) -> WindowsGuest:
    """A vm whose guest reports over HTTPS, with a token of its own, ready."""
    size = {"vcpus": 2, "memory_mib": 4096, "disk_gib": 64, "networks": [{"network": "lab", "addresses": [ADDRESS]}]}
    answer = stack.http.post("/v1/vms", json={"name": "win-never-boots", "os": WINDOWS, **size})
    guest = WindowsGuest(stack, answer.raise_for_status().json())
    guest.live(ADDRESS)
    assert stack.finish(guest.made["job"]["id"])["state"] == "succeeded"
    return guest


def test_secrets_are_in_the_vms_own_seed_and_nowhere_else(stack: Stack, collector: Collector) -> None:
    with flower(stack) as pages, listening(stack) as heard:
        vm, job = made(stack)
        guest = windows(stack)
        seen = pages()
        assert shown(seen, job)
        traced(collector, job)
    assert len(heard.broker) > 10
    assert len(heard.redis) > 10
    seed = stack.directory / "state" / "images" / vm / "seed.iso"
    kept = {
        (vm, job, seed): spellings(PASSWORD, BOOT, password_hash(seed)),
        (guest.made["vm"]["id"], guest.made["job"]["id"], guest.seed): spellings(*guest.secrets()),
    }
    for (of, by, disc), marks in kept.items():
        assert disc.stat().st_mode & 0o777 == 0o600
        assert marked(marks, disc.read_bytes()), "this would find nothing"
        holders = files_with(marks, stack.directory)
        assert {Path(name).parent for name in holders} == {Path(f"state/images/{of}"), Path(f"agent-fake-1/vms/{of}")}
        assert all((stack.directory / name).stat().st_mode & 0o077 == 0 for name in holders)
        assert not marked(marks, *heard.broker)
        assert not marked(marks, *heard.redis)
        assert not marked(marks, in_redis(stack))
        assert not marked(marks, answers(stack, of, by), seen)
        assert not marked(marks, *collector.bodies)
    for (of, _, _), marks in kept.items():
        gone(stack, of)
        until(partial(forgotten, stack, marks), 30, "the seed is gone from builder and host", pause=0.2)


def traced(collector: Collector, job: str) -> list[Seen]:
    """The spans of a vm's creation, once all are there: the last one to come tells the whole job."""
    processes = {"api", "scheduler", "imagebuilder", "worker", "hostagent"}

    def whole() -> list[Seen]:
        found = collector.of(job)
        ended = any(span.name == "job vm.create" for span in found)
        return found if ended and {span.service for span in found} >= processes else []

    return until(whole, 20, "every process has sent its spans", pause=0.1)


def test_a_vm_s_creation_is_one_trace_from_the_request_to_ready(stack: Stack, collector: Collector) -> None:
    vm, job = made(stack)
    spans = traced(collector, job)
    names = {(span.service, span.name) for span in spans}
    assert names >= {
        ("api", "POST /v1/vms"),
        ("scheduler", "place"),
        ("imagebuilder", "wait for imagebuilder"),
        ("imagebuilder", "build"),
        ("hostagent", "deploy at host"),
        ("hostagent", "start at host"),
        ("worker", "verify"),
    }
    [root] = [span for span in spans if not span.parent]
    assert (root.service, root.name) == ("api", "POST /v1/vms")
    assert {span.parent for span in spans if span is not root} == {root.id}
    assert {span.attributes["innkeeper.job"] for span in spans} == {job}
    assert {span.attributes["innkeeper.vm"] for span in spans if span is not root} == {vm}
    whole = next(span for span in spans if span.name == "job vm.create")
    assert whole.attributes["innkeeper.outcome"] == "succeeded"
    assert whole.seconds > max(span.seconds for span in spans if span.name == "build")
    gone(stack, vm)


def test_no_log_and_no_table_has_a_signed_token(stack: Stack) -> None:
    vm, _ = made(stack)
    stack.http.get(f"/v1/vms/{vm}").raise_for_status()
    texts = {path.name: path.read_bytes() for path in stack.directory.glob("*.log")}
    texts |= {path.name: path.read_bytes() for path in stack.directory.glob("innkeeper.db*")}
    assert {"api.log", "imagebuilder.log", "agent-fake-1.log", "innkeeper.db"} <= set(texts)
    assert SIGNED.search(stack.http.headers["Authorization"].encode()), "this would find nothing"
    assert [name for name, text in texts.items() if SIGNED.search(text)] == []
    gone(stack, vm)
