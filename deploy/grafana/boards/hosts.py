# SPDX-License-Identifier: Apache-2.0
"""Hosts by state, what is claimed of what there is, load, and watts by host and by project."""

from deploy.grafana.board import Board, Row
from deploy.grafana.panel import Panel, Query

_CLAIMED = "sum by (resource) (max by (host, resource) (innkeeper_host_claimed))"
_CAPACITY = "sum by (resource) (max by (host, resource) (innkeeper_host_capacity))"
_EACH = 'max by (host) (innkeeper_host_claimed{resource="%s"}) / max by (host) (innkeeper_host_capacity{resource="%s"})'


def _share(title: str, resource: str) -> Panel:
    return Panel(title, [Query(_EACH % (resource, resource), "{{host}}")], unit="percentunit", width=8)


HOSTS = Board(
    "hosts",
    "Hosts",
    "Room, load and power.",
    (
        Row(
            "Now",
            (
                Panel("Hosts", [Query("max by (state) (innkeeper_hosts) > 0", "{{state}}")], kind="stat", width=8),
                Panel(
                    "Claimed of what there is",
                    [Query(f"{_CLAIMED} / {_CAPACITY}", "{{resource}}")],
                    kind="stat",
                    unit="percentunit",
                    width=8,
                    limits={"orange": 0.8, "red": 0.9},
                ),
                Panel("Watts", [Query("sum(max by (host) (innkeeper_host_watts))")], kind="stat", unit="watt", width=4),
                Panel(
                    "Silent for longest",
                    [Query("max(innkeeper_host_silence_seconds)")],
                    kind="stat",
                    unit="s",
                    width=4,
                    limits={"orange": 20, "red": 120},
                ),
            ),
            low=True,
        ),
        Row(
            "Room",
            (
                _share("Processors claimed", "vcpus"),
                _share("Memory claimed", "memory_mib"),
                _share("Disk claimed", "disk_gib"),
                Panel("Vms with a claim", [Query("max by (host) (innkeeper_claims)")]),
                Panel("Claims lost to others", [Query("sum(rate(innkeeper_claim_conflicts_total[$__rate_interval]))")]),
            ),
        ),
        Row(
            "Load and power",
            (
                Panel("CPU", [Query("max by (host) (innkeeper_host_cpu_percent)")], unit="percent"),
                Panel(
                    "Watts by host", [Query("max by (host, source) (innkeeper_host_watts)")], unit="watt", stacked=True
                ),
                Panel(
                    "Watts by project", [Query("max by (project) (innkeeper_project_watts)")], unit="watt", stacked=True
                ),
                Panel("The thirstiest vms", [Query("topk(10, max by (vm) (innkeeper_vm_watts))")], unit="watt"),
            ),
        ),
        Row(
            "Sleep",
            (
                Panel("Hosts by state", [Query("max by (state) (innkeeper_hosts)")], stacked=True, width=8),
                Panel(
                    "Told to sleep",
                    [Query("sum by (outcome) (increase(innkeeper_host_sleeps_total[$__rate_interval]))")],
                    width=8,
                ),
                Panel(
                    "Called",
                    [Query("sum by (outcome) (increase(innkeeper_host_wakes_total[$__rate_interval]))")],
                    width=8,
                ),
            ),
        ),
    ),
)
