# SPDX-License-Identifier: Apache-2.0
"""What the api counts. With several gunicorn workers prometheus_client keeps the values in files and sums them."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

REQUESTS = Histogram(
    "innkeeper_api_request_seconds",
    "Time to answer a request, by route",
    ["method", "route", "status"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
STREAMS = Gauge("innkeeper_api_streams", "Readers of event streams", multiprocess_mode="livesum")
REPLAYS = Counter("innkeeper_api_idempotent_replays_total", "POSTs answered from an Idempotency-Key")
SIGN_INS = Counter("innkeeper_api_sign_ins_total", "Attempts to sign in", ["outcome"])


def exposition() -> bytes:
    """The text of /metrics: of all workers where PROMETHEUS_MULTIPROC_DIR is set, else of this process."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not directory:
        return bytes(generate_latest())
    if not Path(directory).is_dir():
        raise RuntimeError("PROMETHEUS_MULTIPROC_DIR is not a directory")
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    return bytes(generate_latest(registry))
