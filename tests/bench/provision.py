# SPDX-License-Identifier: Apache-2.0
"""POST to RUNNING against bare libvirt-python, one at a time and fifty at once; and how fresh events are.

Both ways write the same overlay and the same seed, define the same domain and start it; both are timed by the
hypervisor's own "started" event. Pairs are interleaved, so that a machine whose speed drifts hurts both alike.
"""

import json
import shutil
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import httpx

from deploy.local.servers.libvirtd import Libvirtd
from tests.bench.bare import Bare, Started
from tests.bench.figures import median_ratio, percentile, show
from tests.support.stack import Stack, running

# More than this machine has: the bench must not be refused for want of room.
ROOM = {"vcpus": 64, "memory_mib": 65536, "disk_gib": 500}


class Reader(threading.Thread):
    """An SSE client on the whole project; notes how old each event is when it arrives."""

    def __init__(self, stack: Stack):
        super().__init__(daemon=True)
        self._stack = stack
        self.ages: list[float] = []
        self.open = threading.Event()

    def run(self) -> None:
        headers = {**self._stack.http.headers, "Accept": "text/event-stream"}
        url = f"{self._stack.api_url}/v1/events"
        with (
            httpx.Client(trust_env=False, timeout=None) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            self.open.set()
            try:
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        self._note(json.loads(line[5:]))
            except httpx.RemoteProtocolError:
                return  # the stack was ended, and with it the stream

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("seq") and event.get("at"):
            self.ages.append((time.time() - datetime.fromisoformat(event["at"]).timestamp()) * 1000)


def ours(stack: Stack, started: Started, name: str) -> float:
    """Seconds from POST to the domain's started event; the vm is gone afterwards."""
    begun = time.time()
    made = stack.create(name)
    seconds = started.wait(made["vm"]["id"], 60) - begun
    settled(stack, made, 60)
    remove(stack, made["vm"]["id"])
    return seconds


def event_ages(stack: Stack, started: Started, count: int) -> list[float]:
    """Ages (ms) of all events at an SSE client, over `count` vms; not during the pairs, whose CPU it takes."""
    reader = Reader(stack)
    reader.start()
    reader.open.wait(10)
    for n in range(count):
        ours(stack, started, f"told-{n}")
    return list(reader.ages)


def settled(stack: Stack, made: dict[str, Any], timeout: float) -> None:
    """Wait until the create is over; AssertionError, with what its job says, when it comes to nothing."""
    job = stack.finish(made["job"]["id"], timeout)
    assert job["state"] == "succeeded", job


def remove(stack: Stack, vm: str) -> None:
    """Delete and wait."""
    answer = stack.http.delete(f"/v1/vms/{vm}")
    assert answer.status_code == 202, answer.text
    stack.finish(answer.json()["job"]["id"])


def storm_of_ours(stack: Stack, started: Started, count: int) -> float:
    """VMs per second, from the first POST to the last started event."""
    begun = time.time()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: stack.create(f"storm-{n}"), range(count)))
    rate = count / (max(started.wait(one["vm"]["id"], 300) for one in made) - begun)
    for one in made:
        settled(stack, one, 300)
    for one in made:
        remove(stack, one["vm"]["id"])
    return rate


def measure(directory: Path, pairs: int, storm: int) -> tuple[dict[str, float], dict[str, Any]]:
    """All figures of this bench."""
    server = Libvirtd(directory / "v", netns=True)
    server.start()
    try:
        with running(directory / "s", postgres=True) as stack:
            stack.run("services.imagebuilder.masters", "mini", "--state-dir", str(stack.directory / "state"))
            stack.enrol("host-0", "libvirt", libvirt_uri=server.url, capacity=ROOM)
            started = Started(server.url)
            for n in range(2):  # warm: masters fetched, network made, history begun
                ours(stack, started, f"warm-{n}")
            bare = Bare(server.url, stack, directory / "bare", started)
            ours_s, bare_s = [], []
            for n in range(pairs):
                bare_s.append(bare.one(f"bare-{n}"))
                ours_s.append(ours(stack, started, f"ours-{n}"))
            ages = event_ages(stack, started, pairs)
            figures = {"single_ratio": median_ratio(ours_s, bare_s), "event_p95_ms": percentile(ages, 0.95)}
            notes = {
                "ours_ms": round(statistics.median(ours_s) * 1000, 1),
                "bare_ms": round(statistics.median(bare_s) * 1000, 1),
                "events": len(ages),
            }
            if storm:
                bare_rate = bare.storm(storm, 4)
                our_rate = storm_of_ours(stack, started, storm)
                figures["storm_ratio"] = our_rate / bare_rate
                notes |= {"ours_vms_per_s": round(our_rate, 2), "bare_vms_per_s": round(bare_rate, 2)}
            return figures, notes
    finally:
        server.purge()


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--pairs", default=20, show_default=True)
@click.option("--storm", default=50, show_default=True, help="VMs at once; 0 leaves it out.")
def main(as_json: bool, pairs: int, storm: int) -> None:
    """Measure and print."""
    directory = Path(tempfile.mkdtemp(prefix="ikb-"))
    figures, notes = measure(directory, pairs, storm)
    show(figures, as_json, notes)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
