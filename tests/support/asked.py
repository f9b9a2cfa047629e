# SPDX-License-Identifier: Apache-2.0
"""What our alerts, their pages and our dashboards ask Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yaml"))
BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
PAGES = sorted((ROOT / "docs" / "operations" / "alerts").glob("*.md"))
# Grafana puts a duration in their place.
VARIABLES = {"$__rate_interval": "5m", "$__range": "6h"}


def groups() -> dict[str, list[dict[str, Any]]]:
    """The rules by their group's name."""
    found = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return {group["name"]: group["rules"] for group in found}


def blocks(page: Path, kind: str) -> list[str]:
    """The blocks of code of that kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.S | re.M)


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard that show something."""
    return (panel for panel in board["panels"] if panel["type"] != "row")


def by_board(board: dict[str, Any]) -> Iterator[str]:
    """The expressions of a dashboard, Grafana's variables filled in."""
    for panel in panels(board):
        for target in panel["targets"]:
            expression: str = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield expression


def by_pages() -> list[str]:
    """The expressions on the alerts' pages, one a line."""
    return [line for page in PAGES for block in blocks(page, "promql") for line in block.splitlines()]


def everything() -> dict[str, str]:
    """Each expression, and who asks it."""
    found = {rule["expr"]: rule["alert"] for rules in groups().values() for rule in rules}
    found |= {text: file.name for file in BOARDS for text in by_board(json.loads(file.read_text()))}
    return found | dict.fromkeys(by_pages(), "a page")
