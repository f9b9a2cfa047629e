# SPDX-License-Identifier: Apache-2.0
"""Requests, errors against the objective, latency, streams and sign-ins; and the image builder's server."""

from deploy.grafana.board import Board, Row
from deploy.grafana.boards.asking import heat, quantile, rates
from deploy.grafana.panel import Panel, Query

# Of users: not of what asks whether the api is there.
_USERS = 'route!~"/healthz|/readyz|/metrics"'
_COUNT = f"innkeeper_api_request_seconds_count{{{_USERS}}}"
_FAILED = f'innkeeper_api_request_seconds_count{{{_USERS},status=~"5.."}}'
_MAY_FAIL = 0.001
_LEFT = f"1 - (sum(increase({_FAILED}[30d])) or vector(0)) / sum(increase({_COUNT}[30d])) / {_MAY_FAIL}"

API = Board(
    "api",
    "API",
    "What users meet first. The objective is 99.9 % of requests without an error of ours.",
    (
        Row(
            "Now",
            (
                Panel("Requests a second", [Query(f"sum(rate({_COUNT}[5m]))")], kind="stat", unit="reqps", width=6),
                Panel(
                    "Budget of errors left, of 30 days",
                    [Query(_LEFT)],
                    kind="stat",
                    unit="percentunit",
                    width=6,
                ),
                Panel("Readers of streams", [Query("sum(innkeeper_api_streams)")], kind="stat", width=6),
                Panel(
                    "Refused sign-ins a second",
                    [Query('sum(rate(innkeeper_api_sign_ins_total{outcome="refused"}[5m]))')],
                    kind="stat",
                    width=6,
                ),
            ),
            low=True,
        ),
        Row(
            "Requests",
            (
                Panel("By status", [Query(rates(_COUNT, "status"))], unit="reqps", stacked=True),
                Panel("Errors of ours, by route", [Query(rates(_FAILED, "route, status"))], unit="reqps"),
                Panel("Busiest routes", [Query(f"topk(10, {rates(_COUNT, 'method, route')})")], unit="reqps"),
                Panel(
                    "Answered from an Idempotency-Key",
                    [Query("sum(rate(innkeeper_api_idempotent_replays_total[$__rate_interval]))")],
                ),
            ),
        ),
        Row(
            "Latency",
            (
                Panel(
                    "All requests",
                    [Query(heat(f"innkeeper_api_request_seconds_bucket{{{_USERS}}}"))],
                    kind="heatmap",
                    unit="s",
                ),
                Panel(
                    "95 of 100 take at most",
                    [Query(quantile(0.95, "innkeeper_api_request_seconds", "route"))],
                    unit="s",
                ),
            ),
        ),
        Row(
            "Images",
            (
                Panel(
                    "Requests to the image builder",
                    [Query(rates("innkeeper_image_requests_total", "status"))],
                    unit="reqps",
                    width=8,
                ),
                Panel(
                    "Bytes sent to hosts",
                    [Query("sum(rate(innkeeper_image_bytes_served_total[$__rate_interval]))")],
                    unit="Bps",
                    width=8,
                ),
                Panel("The store", [Query("max by (what) (innkeeper_image_store_bytes)")], unit="bytes", width=8),
            ),
        ),
    ),
)
