# SPDX-License-Identifier: Apache-2.0
"""A panel of a dashboard: what it asks Prometheus, and how it shows the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """One expression; `legend` names its lines by their labels."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True)
class Panel:
    """`width` of 24 columns; `unit` is Grafana's name of one; `kind` is timeseries, stat, bargauge or heatmap."""

    title: str
    queries: Sequence[Query]
    about: str = ""
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 12
    stacked: bool = False
    limits: Mapping[str, float] | None = None  # a colour from a value on: {"red": 1}


def panel_json(panel: Panel, number: int, x: int, y: int, height: int) -> Json:
    """The panel as Grafana reads it."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": height},
        "targets": [_target(panel, n, query) for n, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(panel: Panel, number: int, query: Query) -> Json:
    now = panel.kind in ("stat", "bargauge")
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": "{{le}}" if panel.kind == "heatmap" else query.legend,
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "instant": now,
        "range": not now,
    }


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": color, "value": value} for color, value in (panel.limits or {}).items()]
    drawn: Json = {"fillOpacity": 20 if panel.stacked else 0, "showPoints": "never"}
    if panel.stacked:
        drawn["stacking"] = {"mode": "normal", "group": "A"}
    return {
        "unit": panel.unit,
        "min": 0,
        "custom": drawn if panel.kind == "timeseries" else {},
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if panel.limits else "palette-classic"},
    }


_OPTIONS: Mapping[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"},
    "bargauge": {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal", "displayMode": "basic"},
    "heatmap": {"calculate": False, "yAxis": {"unit": "s"}, "color": {"mode": "scheme", "scheme": "Spectral"}},
}
