# SPDX-License-Identifier: Apache-2.0
"""What the image builder counts."""

import shutil
from math import nan
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

SEED_SECONDS = Histogram(
    "innkeeper_image_seed_seconds",
    "Time to render and write one vm's seed",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25),
)
MASTER_SECONDS = Histogram(
    "innkeeper_image_master_seconds",
    "Time to make a master that was not there",
    ["recipe"],
    buckets=(1, 3, 10, 30, 60, 120, 300, 900),
)
IMPORTS = Counter("innkeeper_image_imports_total", "Media fetched", ["outcome"])
UPLOADED = Counter("innkeeper_image_uploaded_bytes_total", "Bytes of media that were sent to us")
COLLECTED = Counter("innkeeper_image_collected_total", "Files nobody needed any more, removed", ["what"])
ORDERS = Counter("innkeeper_image_orders_total", "Images ordered without a vm", ["outcome"])
BYTES_SERVED = Counter("innkeeper_image_bytes_served_total", "Bytes of artifacts sent to hosts")
REQUESTS = Counter("innkeeper_image_requests_total", "Requests to the artifact server", ["status"])
STORE_BYTES = Gauge(
    "innkeeper_image_store_bytes", "The file system of INNKEEPER_STATE_DIR: its `size`, and `free`", ["what"]
)


def watch_room(state_dir: Path) -> None:
    """From now on tell how much room there is, whenever Prometheus asks."""
    STORE_BYTES.labels("size").set_function(lambda: _room(state_dir, "total"))
    STORE_BYTES.labels("free").set_function(lambda: _room(state_dir, "free"))


def _room(state_dir: Path, what: str) -> float:
    try:
        return float(getattr(shutil.disk_usage(state_dir), what))
    except OSError:  # it is away: no number is told, rather than none of the others either
        return nan
