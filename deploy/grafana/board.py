# SPDX-License-Identifier: Apache-2.0
"""A dashboard: panels in rows, a variable for the data source, links to the other dashboards."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.grafana.panel import Json, Panel, panel_json

COLUMNS = 24
LOW, HIGH = 4, 8
TAG = "innkeeper"
# To the others, with the time and the Prometheus that were chosen.
_LINK: Json = {
    "type": "dashboards",
    "title": "Innkeeper",
    "tooltip": "",
    "icon": "external link",
    "tags": [TAG],
    "asDropdown": True,
    "keepTime": True,
    "includeVars": True,
    "targetBlank": False,
}


@dataclass(frozen=True)
class Row:
    """Panels beside each other under a heading; they are `low` where they show one number each."""

    title: str
    panels: Sequence[Panel]
    low: bool = False


@dataclass(frozen=True)
class Board:
    """`name` is its file and, after `innkeeper-`, its uid: it never changes."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]


def board_json(board: Board) -> Json:
    """The dashboard as Grafana reads it."""
    return {
        "uid": f"{TAG}-{board.name}",
        "title": f"Innkeeper / {board.title}",
        "description": board.about,
        "tags": [TAG],
        "timezone": "",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source()]},
        "links": [_LINK],
        "panels": _laid_out(board.rows),
    }


def _source() -> Json:
    """Which Prometheus: whoever looks chooses, no dashboard knows one."""
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    found: list[Json] = []
    y = 0
    for row in rows:
        found.append(_heading(row.title, len(found) + 1, y))
        y += 1
        x, height = 0, LOW if row.low else HIGH
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + height
            found.append(panel_json(panel, len(found) + 1, x, y, height))
            x += panel.width
        y += height
    return found


def _heading(title: str, number: int, y: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        "panels": [],
    }
