# SPDX-License-Identifier: Apache-2.0
"""The dashboards are what their Python says, ask for what there is, in PromQL, and know no data source."""

import json
from pathlib import Path

import pytest
import yaml

from deploy.grafana.__main__ import DASHBOARDS, texts
from tests.house.promql import ROOT, parses, series, unknown
from tests.support.asked import by_board, panels
from tests.support.npm import installed, refused

GRAFANA = ROOT / "tests" / "house" / "grafana"
BOARDS = {name: json.loads(text) for name, text in texts().items()}


def test_the_files_are_what_the_code_writes() -> None:
    written = {file.name: file.read_text() for file in DASHBOARDS.glob("*.json")}
    assert written == texts(), "write them anew: python -m deploy.grafana"


def test_every_panel_asks_for_what_the_services_tell_in_promql(tmp_path: Path) -> None:
    expressions = [text for board in BOARDS.values() for text in by_board(board)]
    assert {wrong for text in expressions for wrong in unknown(text, series())} == set()
    assert not any("$" in text for text in expressions)
    parses(expressions, tmp_path)


def test_dashboards_are_what_grafana_s_own_types_say() -> None:
    judge = installed(GRAFANA)
    packages = json.loads((GRAFANA / "package.json").read_text())["dependencies"]
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert services["grafana"]["image"].endswith(f":{packages['@grafana/schema']}")
    broken = json.loads(json.dumps(BOARDS["steps.json"]))
    broken["refrsh"] = "30s"
    drawn = next(panel for panel in panels(broken) if panel["type"] == "timeseries")
    drawn["options"]["legend"]["placement"] = "top"
    unknown_kind = {**drawn, "type": "timesries"}
    said = refused(judge, [*BOARDS.values(), broken, {**broken, "panels": [unknown_kind]}])
    faults = ("refrsh", '"top"', "refrsh", "'never'")  # and nothing about ours
    assert [fault in text for fault, text in zip(faults, said, strict=True)] == [True] * 4, said


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_dashboard_keeps_its_uid_and_asks_whoever_looks_for_the_data_source(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == f"innkeeper-{name.removesuffix('.json')}"
    assert f"| `{board['uid']}` |" in (ROOT / "docs" / "operations" / "dashboards.md").read_text()
    assert [v["name"] for v in board["templating"]["list"] if v["type"] == "datasource"] == ["datasource"]
    for panel in panels(board):
        assert {panel["datasource"]["uid"], *(t["datasource"]["uid"] for t in panel["targets"])} == {"${datasource}"}


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_no_panel_lies_on_another_one_or_beyond_the_edge(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    numbers = [panel["id"] for panel in BOARDS[name]["panels"]]
    assert len(numbers) == len(set(numbers))
    for place in (panel["gridPos"] for panel in BOARDS[name]["panels"]):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
