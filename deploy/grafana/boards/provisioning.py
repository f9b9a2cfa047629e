# SPDX-License-Identifier: Apache-2.0
"""What is asked for, how much of it becomes a vm, where the rest ends, and how long it takes."""

from deploy.grafana.board import Board, Row
from deploy.grafana.boards.asking import heat, quantile
from deploy.grafana.panel import Panel, Query

_RANGE = "$__range"
_DONE = 'innkeeper_step_seconds_count{outcome="%s",step="%s"}'
_CREATED = 'innkeeper_job_seconds_count{kind="vm.create"%s}'


def _funnel() -> list[Query]:
    asked = 'innkeeper_api_request_seconds_count{method="POST",route="/v1/vms",status="202"}'
    stages = (
        ("1 accepted", asked),
        ("2 placed", 'innkeeper_decisions_total{outcome="placed"}'),
        ("3 image built", _DONE % ("done", "build")),
        ("4 deployed", 'innkeeper_agent_commands_total{verb="deploy",outcome="done"}'),
        ("5 started", 'innkeeper_agent_commands_total{verb="start",outcome="done"}'),
        ("6 ready", _CREATED % ',outcome="succeeded"'),
    )
    return [Query(f"sum(increase({counter}[{_RANGE}]))", name) for name, counter in stages]


PROVISIONING = Board(
    "provisioning",
    "Provisioning",
    "From a request to a vm that is ready.",
    (
        Row(
            "Now",
            (
                Panel("Vms", [Query("sum(max by (state) (innkeeper_vms))")], kind="stat", width=4),
                Panel(
                    "Under way",
                    [Query('max(innkeeper_jobs{state="running"}) + max(innkeeper_jobs{state="waiting"})')],
                    kind="stat",
                    width=4,
                ),
                Panel("Queued", [Query('max(innkeeper_jobs{state="queued"})')], kind="stat", width=4),
                Panel(
                    "Stalled",
                    [Query('max(innkeeper_jobs{state="stalled"})')],
                    "These want a person: alert InnkeeperJobsStalled.",
                    kind="stat",
                    width=4,
                    limits={"red": 1},
                ),
                Panel(
                    "Missing", [Query('max(innkeeper_vms{state="missing"})')], kind="stat", width=4, limits={"red": 1}
                ),
                Panel("Drifted", [Query("max(innkeeper_vms_drifted)")], kind="stat", width=4, limits={"orange": 1}),
            ),
            low=True,
        ),
        Row(
            "The funnel",
            (
                Panel(
                    "How far requests came",
                    _funnel(),
                    "In the time that is shown. Each stage counts on its own: rebuilt vms are built and deployed, too.",
                    kind="bargauge",
                ),
                Panel(
                    "Jobs that ended",
                    [Query("sum by (kind, outcome) (increase(innkeeper_job_seconds_count[$__rate_interval]))")],
                    stacked=True,
                ),
            ),
        ),
        Row(
            "How long it takes",
            (
                Panel(
                    "From the request to a vm that is ready",
                    [Query(heat('innkeeper_job_seconds_bucket{kind="vm.create",outcome="succeeded"}'))],
                    kind="heatmap",
                    unit="s",
                ),
                Panel(
                    "95 of 100 jobs take at most", [Query(quantile(0.95, "innkeeper_job_seconds", "kind"))], unit="s"
                ),
            ),
        ),
        Row(
            "Where it ends",
            (
                Panel(
                    "Placements without a host",
                    [Query("sum by (outcome) (increase(innkeeper_decisions_total[$__rate_interval]))")],
                    width=8,
                ),
                Panel(
                    "Guests that failed or fell silent",
                    [Query("sum by (step, outcome) (increase(innkeeper_guest_verdicts_total[$__rate_interval]))")],
                    width=8,
                ),
                Panel("Vms by state", [Query("max by (state) (innkeeper_vms) > 0")], width=8, stacked=True),
            ),
        ),
    ),
)
