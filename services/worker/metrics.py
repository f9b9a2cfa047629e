# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told of hosts that sleep and wake."""

from prometheus_client import Counter

HOST_SLEEPS = Counter("innkeeper_host_sleeps_total", "Hosts told to sleep, by what came of it", ["outcome"])
HOST_WAKES = Counter("innkeeper_host_wakes_total", "Hosts that were called, by what came of it", ["outcome"])
