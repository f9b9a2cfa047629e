# SPDX-License-Identifier: Apache-2.0
"""The Prometheus endpoint of a process that serves no HTTP of its own."""

import os
import sys
from ipaddress import ip_address

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_ADDRESS = "INNKEEPER_METRICS_ADDRESS"
STEP_SECONDS = Histogram(
    "innkeeper_step_seconds",
    "Time a step took in a worker's hands",
    ["step", "outcome"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
QUEUE_AGE = Histogram(
    "innkeeper_queue_age_seconds",
    "Time between a job being due and a worker claiming it",
    ["queue"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
LEASES_LOST = Counter("innkeeper_leases_lost_total", "Steps dropped because somebody else took the job")
RELAYED = Counter("innkeeper_relayed_total", "Outbox rows confirmed by the broker", ["kind"])
OUTBOX_DEPTH = Gauge("innkeeper_outbox_depth", "Outbox rows not yet confirmed")
RERUNG = Counter("innkeeper_rerung_total", "Bells and commands sent again by the sweeper", ["kind"])
AGENT_EVENTS = Counter("innkeeper_agent_events_total", "Events recorded from agents", ["kind"])
UNFORESEEN = Counter("innkeeper_unforeseen_errors_total", "Errors nobody foresaw that a thread has outlived", ["what"])
VMS = Gauge("innkeeper_vms", "Vms by state", ["state"])
JOBS = Gauge("innkeeper_jobs", "Unfinished jobs by state", ["state"])
HOST_CPU = Gauge("innkeeper_host_cpu_percent", "CPU in use on a host", ["host"])
HOST_CLAIMED = Gauge("innkeeper_host_claimed", "Capacity held by claims", ["host", "resource"])


def serve(port: int) -> None:
    """Serve /metrics on `port` of INNKEEPER_METRICS_ADDRESS in a daemon thread; port 0 means no endpoint."""
    if not port:
        return
    address = os.environ.get(_ADDRESS) or "127.0.0.1"
    try:
        ip_address(address)
    except ValueError:
        sys.exit(f"settings: {_ADDRESS} is {address!r}, no IP address; 0.0.0.0 means every one of this machine")
    start_http_server(port, addr=address)
