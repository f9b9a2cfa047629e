# SPDX-License-Identifier: Apache-2.0
"""Decisions a second at 10,000 hosts and 100,000 vms, on one core, and peers on the same stream in the same run."""

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from services.common.contracts.placement import Request
from services.scheduler.engine.compact import Compact
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.warm import warm
from tests.bench import scheduler_nova
from tests.bench.figures import percentile, show
from tests.bench.scheduler_plain import decide as decide_plainly
from tests.bench.scheduler_plain import plain_host
from tests.bench.scheduler_stream import FLAVORS, Stream

HOSTS = 10_000
ROUNDS = 5
clock = time.thread_time  # one thread without any waiting: what others do on the machine is no figure of ours
OTHERS = {  # benches of their own, with servers or over days, and what they measure
    "tests.bench.scheduler_claims": ("durable_per_s", "queue_per_s", "queue_p99_ms", "conflict_rate", "overcommitted"),
    "tests.bench.scheduler_energy": (
        *("energy_vs_spread", "energy_vs_pabfd", "hot_host_hours"),
        *("other_energy_vs_spread", "other_energy_vs_pabfd", "other_hot_host_hours"),
    ),
    "tests.bench.scheduler_openb": ("openb_first_refusal",),
}


def step(stream: Stream, leaving: int, request: Request) -> Compact:
    """One vm leaves, one comes: a decision with its compact explanation, and both changes of claims."""
    row, old = stream.placed[leaving]
    stream.table.claim(row, old, times=-1)
    decision = stream.engine.decide(request)
    stream.table.claim(decision.row, request)
    stream.placed[leaving] = (decision.row, request)
    return decision


def cached(stream: Stream, steps: int = 20_000) -> float:
    """Steps a second; every decision is kept."""
    plan = stream.plan(steps)
    begun = clock()
    kept = [step(stream, leaving, request) for leaving, request in plan]
    took = clock() - begun
    assert all(decision.host for decision in kept)
    return steps / took


def slowest(stream: Stream, steps: int = 20_000) -> float:
    """The p99 of a step, in us."""
    times = []
    for leaving, request in stream.plan(steps):
        begun = clock()
        step(stream, leaving, request)
        times.append(clock() - begun)
    return percentile(times, 0.99) * 1e6


def scanned(stream: Stream, steps: int, first: int) -> float:
    """Decisions a second for sizes that nobody asked for before."""
    requests = [stream.odd(first + n) for n in range(steps)]
    begun = clock()
    for request in requests:
        stream.engine.decide(request)
    return steps / (clock() - begun)


def plain(stream: Stream, steps: int = 60) -> float:
    """Decisions a second of the plain loop, which are the engine's."""
    hosts = [plain_host(host, stream.engine.policy.capacity) for host in stream.table.hosts()]
    requests = [stream.rng.choice(FLAVORS) for _ in range(steps)]
    begun = clock()
    found = [decide_plainly(request, hosts) for request in requests]
    took = clock() - begun
    assert found == [stream.engine.decide(request).host for request in requests]
    return steps / took


def explained(stream: Stream, steps: int = 300) -> list[float]:
    """Milliseconds of full explanations: of choices, and of refusals for too much and for too special wishes."""
    times = []
    for n in range(steps):
        request = random.Random(n).choice(FLAVORS)
        if n % 3:
            request = (
                replace(request, vcpus=129 + n) if n % 3 == 1 else replace(request, zone="a", traits=("tpu", "ssd"))
            )
        begun = clock()
        decision = stream.engine.explain(request)
        times.append((clock() - begun) * 1e3)
        assert bool(decision.host) == (n % 3 == 0)
    return times


def rss_mib() -> float:
    """What this process holds now."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def rounds(measure: Callable[[int], float]) -> float:
    """The median of several rounds."""
    return statistics.median(measure(n) for n in range(ROUNDS))


def measured() -> tuple[dict[str, float | None], dict[str, Any]]:
    """The figures of this process, and notes."""
    if COMPILES:
        warm()
    stream = Stream(HOSTS)
    gc.collect()
    gc.freeze()
    cached(stream)
    rate = rounds(lambda n: cached(stream))
    figures: dict[str, float | None] = {
        "cached_per_s": rate,
        "cached_p99_us": rounds(lambda n: slowest(stream)),
        "scan_per_s": rounds(lambda n: scanned(stream, 500, 10 + 500 * n)),
        "explain_p99_ms": percentile(explained(stream), 0.99),
        "rss_mib": rss_mib(),
    }
    simple = rounds(lambda n: plain(stream))
    nova, said = scheduler_nova.decisions_per_s()
    figures["vs_plain_python"] = rate / simple
    figures["vs_nova"] = rate / nova if nova else None
    notes = {
        "clock": "CPU time of one thread",
        "vms": len(stream.placed),
        "plain_python_per_s": round(simple, 1),
        "nova_per_s": nova,
        "nova": said,
    }
    return figures, notes


def other(module: str) -> tuple[dict[str, float | None], dict[str, Any]]:
    """The figures of another bench, run by itself; None, and why, where it gives none."""
    figures: dict[str, float | None] = dict.fromkeys(OTHERS[module])
    ran = subprocess.run([sys.executable, "-m", module, "--json"], capture_output=True, text=True, check=False)
    if ran.returncode:
        return figures, {module: " ".join(ran.stderr.strip().splitlines()[-1:]) or f"ended with {ran.returncode}"}
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    return figures | told["figures"], {module: told.get("notes", {})}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object instead of a table.")
@click.option("--only", is_flag=True, help="Leave out the figures that need servers or minutes.")
def main(as_json: bool, only: bool) -> None:
    """Measure the scheduler."""
    figures, notes = measured()
    for module in () if only else tuple(OTHERS):
        more, said = other(module)
        figures.update(more)
        notes.update(said)
    show(figures, as_json, notes)


if __name__ == "__main__":
    main()
