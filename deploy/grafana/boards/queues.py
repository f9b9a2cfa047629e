# SPDX-License-Identifier: Apache-2.0
"""What waits for the broker, for workers and for hosts, and who has which role."""

from deploy.grafana.board import Board, Row
from deploy.grafana.boards.asking import heat, quantile, rates
from deploy.grafana.panel import Panel, Query

QUEUES = Board(
    "queues",
    "Queues",
    "Bells and commands: from the outbox to whoever they are for.",
    (
        Row(
            "Now",
            (
                Panel(
                    "Parts that answer", [Query("max by (part) (innkeeper_part_up)", "{{part}}")], kind="stat", width=8
                ),
                Panel("Roles taken", [Query("max by (role) (innkeeper_leads)", "{{role}}")], kind="stat", width=8),
                Panel(
                    "Jobs nobody takes",
                    [Query("max by (queue) (innkeeper_jobs_overdue)", "{{queue}}")],
                    kind="stat",
                    width=8,
                    limits={"red": 1},
                ),
            ),
            low=True,
        ),
        Row(
            "To the broker",
            (
                Panel("Rows that wait", [Query("max(innkeeper_outbox_depth)", "rows")], width=8),
                Panel("The oldest of them", [Query("max(innkeeper_outbox_oldest_seconds)", "age")], unit="s", width=8),
                Panel("Confirmed", [Query(rates("innkeeper_relayed_total", "kind"))], width=8),
            ),
        ),
        Row(
            "To workers",
            (
                Panel(
                    "95 of 100 jobs wait at most",
                    [Query(quantile(0.95, "innkeeper_queue_age_seconds", "queue"))],
                    unit="s",
                ),
                Panel("All queues", [Query(heat("innkeeper_queue_age_seconds_bucket"))], kind="heatmap", unit="s"),
                Panel("Unfinished jobs", [Query("max by (state) (innkeeper_jobs)")], stacked=True),
                Panel("Sent again", [Query(rates("innkeeper_rerung_total", "kind"))]),
            ),
        ),
        Row(
            "From hosts",
            (
                Panel("Events of agents", [Query(rates("innkeeper_agent_events_total", "kind"))], stacked=True),
                Panel(
                    "Errors nobody foresaw",
                    [Query("sum by (what) (increase(innkeeper_unforeseen_errors_total[$__rate_interval]))")],
                ),
            ),
        ),
    ),
)
