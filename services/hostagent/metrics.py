# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told of an agent."""

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("innkeeper_agent_commands_total", "Commands by verb and outcome", ["verb", "outcome"])
REJECTED = Counter("innkeeper_agent_rejected_total", "Messages that are no valid command for this host")
SECONDS = Histogram(
    "innkeeper_agent_command_seconds",
    "Time a command took",
    ["verb"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
WATTS = Gauge("innkeeper_agent_watts", "Power the host draws", ["source"])
METER_FAILURES = Counter("innkeeper_agent_meter_failures_total", "Times the power meter gave no answer", ["meter"])
CPU_PERCENT = Gauge("innkeeper_agent_cpu_percent", "CPU in use on the host")
MEMORY_USED = Gauge("innkeeper_agent_memory_used_mib", "Memory in use on the host")
VMS = Gauge("innkeeper_agent_vms", "Vms of ours on the host, by power", ["power"])
MASTERS_DROPPED = Counter("innkeeper_agent_masters_dropped_total", "Masters no vm of the host needed any more, removed")
GUEST_LINES = Counter("innkeeper_agent_guest_lines_total", "Lines guests sent, by what became of them", ["outcome"])
