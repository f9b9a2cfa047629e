# SPDX-License-Identifier: Apache-2.0
"""How long each step takes, what fails or is put off, and how long agents take for each verb."""

from deploy.grafana.board import Board, Row
from deploy.grafana.boards.asking import heat, quantile, rates
from deploy.grafana.panel import Panel, Query

STEPS = Board(
    "steps",
    "Steps",
    "Where the time of a job goes.",
    (
        Row(
            "In workers' hands",
            (
                Panel(
                    "Half of the steps take at most", [Query(quantile(0.5, "innkeeper_step_seconds", "step"))], unit="s"
                ),
                Panel("95 of 100 take at most", [Query(quantile(0.95, "innkeeper_step_seconds", "step"))], unit="s"),
                Panel("All steps", [Query(heat("innkeeper_step_seconds_bucket"))], kind="heatmap", unit="s"),
                Panel("What came of them", [Query(rates("innkeeper_step_seconds_count", "outcome"))], stacked=True),
                Panel(
                    "Failed or put off, by step",
                    [Query(rates('innkeeper_step_seconds_count{outcome=~"failed|error|again"}', "step, outcome"))],
                ),
                Panel(
                    "Results dropped: the lease was lost",
                    [Query("sum(rate(innkeeper_leases_lost_total[$__rate_interval]))")],
                ),
            ),
        ),
        Row(
            "Placing and building",
            (
                Panel(
                    "Deciding", [Query(heat("innkeeper_decision_seconds_bucket"))], kind="heatmap", unit="s", width=8
                ),
                Panel(
                    "Writing a seed",
                    [Query(heat("innkeeper_image_seed_seconds_bucket"))],
                    kind="heatmap",
                    unit="s",
                    width=8,
                ),
                Panel(
                    "Making a master",
                    [Query(quantile(0.95, "innkeeper_image_master_seconds", "recipe"))],
                    unit="s",
                    width=8,
                ),
            ),
        ),
        Row(
            "On hosts",
            (
                Panel(
                    "95 of 100 commands take at most",
                    [Query(quantile(0.95, "innkeeper_agent_command_seconds", "verb"))],
                    unit="s",
                ),
                Panel(
                    "Deploying",
                    [Query(heat('innkeeper_agent_command_seconds_bucket{verb="deploy"}'))],
                    kind="heatmap",
                    unit="s",
                ),
                Panel(
                    "What came of commands", [Query(rates("innkeeper_agent_commands_total", "outcome"))], stacked=True
                ),
                Panel(
                    "Failed, by verb and agent",
                    [Query(rates('innkeeper_agent_commands_total{outcome="failed"}', "verb, instance"))],
                ),
            ),
        ),
    ),
)
