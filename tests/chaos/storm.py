# SPDX-License-Identifier: Apache-2.0
"""One storm: N creates (some deleted in the middle), each with a fault; then peace, then the count."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from deploy.local.servers.libvirtd import Libvirtd
from tests.chaos.checker import Verdict, judge
from tests.chaos.faults import LEASE_S, Tormentor
from tests.support.stack import Stack, running

FINAL = ("succeeded", "failed", "cancelled")
PEACE_S = 120.0
ENV = {"INNKEEPER_LEASE_S": str(LEASE_S), "INNKEEPER_ORPHAN_GRACE_S": "6", "INNKEEPER_HOST_TIMEOUT_S": "20"}


@dataclass(frozen=True)
class Report:
    """What happened. Recovery: seconds from the last fault until every job was over."""

    verdict: Verdict
    states: dict[str, int]
    faults: list[str]
    recovery_s: float
    took_s: float


def insist(stack: Stack, method: str, path: str, **options: Any) -> httpx.Response:
    """Repeat a request, with the same Idempotency-Key, until somebody answers it."""
    headers = {"Idempotency-Key": str(uuid4())}
    end = time.monotonic() + 60
    while True:
        try:
            answer = stack.http.request(method, path, headers=headers, timeout=10, **options)
            if _answered(answer):
                return answer
        except httpx.HTTPError:
            pass
        if time.monotonic() > end:
            raise AssertionError(f"{method} {path}: nobody answers\n{stack.tails()}")
        time.sleep(0.2)


def _answered(answer: httpx.Response) -> bool:
    if answer.status_code >= 500 or not answer.headers.get("content-type", "").startswith("application/"):
        return False
    return not (answer.status_code == 409 and answer.json().get("code") == "still-running")


def rage(stack: Stack, count: int, seed: int, say: Callable[[str], None]) -> tuple[dict[str, str], list[str], float]:
    """N creates with a fault each; what was asked for, which faults struck, and when the last one was mended."""
    dice = random.Random(seed)
    tormentor = Tormentor(stack, seed)
    asked: dict[str, str] = {}
    for n in range(count):
        name = f"chaos-{n}"
        body = {"name": name, "os": "mini", "flavor": "tiny", "networks": [{"network": "default"}]}
        thread = tormentor.strike(n)
        answer = insist(stack, "POST", "/v1/vms", json=body)
        assert answer.status_code == 202, answer.text
        asked[name] = "keep"
        vm = answer.json()["vm"]["id"]
        if n % 4 == 3:
            time.sleep(dice.uniform(0.0, 2.0))
            gone = insist(stack, "DELETE", f"/v1/vms/{vm}")
            assert gone.status_code in (202, 409), gone.text
            asked[name] = "delete" if gone.status_code == 202 else "keep"
        thread.join()
        say(f"{n + 1}/{count} {name}: {tormentor.done[-1]}")
    return asked, tormentor.done, time.monotonic()


def settle(stack: Stack, say: Callable[[str], None]) -> dict[str, int]:
    """Wait until every job is over; how many ended how."""
    end = time.monotonic() + PEACE_S
    while True:
        jobs = insist(stack, "GET", "/v1/jobs?limit=1000").json()["items"]
        states: dict[str, int] = {}
        for job in jobs:
            states[job["state"]] = states.get(job["state"], 0) + 1
        if all(state in FINAL for state in states):
            return states
        if time.monotonic() > end:
            for job in jobs:
                if job["state"] not in FINAL:
                    say(f"still {job['state']}: {job['kind']} {job['id']} at {job['step']}: {job.get('error')}")
            return states
        time.sleep(0.3)


def audited(stack: Stack, verdict: Verdict) -> Verdict:
    """The same verdict, with what the platform's own audit finds."""
    found = insist(stack, "GET", "/v1/audit/orphans").json()
    verdict.orphans += [f"audit: {o['kind']} {o['name']}: {o['reason']}" for o in found["orphans"]]
    verdict.orphans += [f"audit: {h['name']} was not read: {h['note']}" for h in found["hosts"] if not h["read"]]
    return verdict


def orphans_collected(check: Callable[[], Verdict], seconds: float = 40.0) -> Verdict:
    """The verdict, once the reconciler's grace period has had its chance."""
    end = time.monotonic() + seconds
    while True:
        verdict = check()
        if verdict.clean or time.monotonic() > end:
            return verdict
        time.sleep(1.0)


def storm(directory: Path, count: int, driver: str, seed: int, say: Callable[[str], None]) -> Report:
    """Raise the stack with two hosts, let it rage, and count."""
    begun = time.monotonic()
    servers = [Libvirtd(directory / f"v{n}", netns=True) for n in range(2)] if driver == "libvirt" else []
    try:
        for server in servers:
            server.start()
        with running(directory / "s", env=ENV) as stack:
            for n in range(2):
                settings: dict[str, Any] = {"capacity": {"vcpus": 64, "memory_mib": 65536, "disk_gib": 500}}
                if servers:
                    settings["libvirt_uri"] = servers[n].url
                stack.enrol(f"host-{n}", driver, **settings)
            if driver == "libvirt":
                stack.run("services.imagebuilder.masters", "mini", "--state-dir", str(stack.directory / "state"))
            agents = [stack.directory / f"agent-host-{n}" for n in range(2)]
            asked, faults, mended = rage(stack, count, seed, say)
            states = settle(stack, say)
            recovery = time.monotonic() - mended
            verdict = orphans_collected(lambda: audited(stack, judge(stack, agents, servers, asked)))
            if not verdict.clean:
                say(stack.tails())
            return Report(verdict, states, faults, recovery, time.monotonic() - begun)
    finally:
        for server in servers:
            server.purge()
