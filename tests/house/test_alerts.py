# SPDX-License-Identifier: Apache-2.0
"""Every alert fires when it should and not otherwise, asks for what there is, and has a page whose commands exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from innkeeper.cli.main import inn
from tests.house.alert_stories import STORIES, Series
from tests.house.promql import ROOT, parses, promtool, series, unknown
from tests.support.asked import RULES, blocks, by_pages, groups

PAGES = ROOT / "docs" / "operations" / "alerts"
PREFIX = "Innkeeper"
HEADS = ["What it means", "What users notice", "How to look", "What to do", "When it is false"]


def alerts(file: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(file.read_text())["groups"]:
        yield from group["rules"]


EVERY = {rule["alert"]: rule for rules in groups().values() for rule in rules}


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", *map(str, RULES))


def test_every_alert_has_a_story_and_a_page_and_there_are_no_others() -> None:
    assert {name.removeprefix(PREFIX) for name in EVERY} == set(STORIES)
    assert set(EVERY) == {page.stem for page in PAGES.glob("*.md")} - {"README"}
    index = (PAGES / "README.md").read_text()
    assert [
        name for name in EVERY if f"| [{name}]({name}.md) | {EVERY[name]['labels']['severity']} |" not in index
    ] == []


@pytest.mark.parametrize("name", sorted(EVERY))
def test_an_alert_says_what_it_is_about_and_where_to_read_on(name: str) -> None:
    rule = EVERY[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    assert rule["annotations"]["runbook_url"].endswith(f"/{name}.md")
    page = (PAGES / f"{name}.md").read_text()
    assert re.findall(r"^## (.+)$", page, re.M) == HEADS
    assert f"`{rule['labels']['severity']}`" in page


def test_alerts_and_pages_ask_for_what_the_services_tell(tmp_path: Path) -> None:
    told = series()
    shown = by_pages()
    asked = [*(rule["expr"] for rule in EVERY.values()), *shown]
    assert {wrong for text in asked for wrong in unknown(text, told)} == set()
    parses(shown, tmp_path)


def test_a_series_or_a_label_that_nobody_tells_is_found() -> None:
    told = series()
    assert unknown('sum by (step) (innkeeper_jobs{state="stalled"})', told) == {"(step)"}
    assert unknown('innkeeper_jobs{step="x"}', told) == {"innkeeper_jobs{step}"}
    assert unknown("innkeeper_nothing > 0", told) == {"innkeeper_nothing"}


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(file: Path, tmp_path: Path) -> None:
    tests = []
    for rule in alerts(file):
        story = STORIES[rule["alert"].removeprefix(PREFIX)]
        tests += [
            course(rule["alert"], story.fires, story.after, 1),
            course(rule["alert"], story.quiet, story.after, 0),
        ]
    played = tmp_path / "stories.yaml"
    played.write_text(yaml.safe_dump({"rule_files": [str(file)], "evaluation_interval": "5m", "tests": tests}))
    promtool("test", "rules", str(played))


@pytest.mark.parametrize(
    ("external", "pages"),
    [({}, "docs/operations/alerts"), ({"runbooks": "https://pages.example.com/x"}, "https://pages.example.com/x")],
)
def test_an_alert_links_to_its_page_where_prometheus_knows_the_address(
    external: dict[str, str], pages: str, tmp_path: Path
) -> None:
    name = "InnkeeperNoConductor"
    shown = {**EVERY[name]["annotations"], "runbook_url": f"{pages}/{name}.md"}
    alert = {"exp_labels": EVERY[name]["labels"], "exp_annotations": shown}
    asked = {"eval_time": "10m", "alertname": name, "exp_alerts": [alert]}
    file = next(file for file in RULES if name in file.read_text())
    played = {"rule_files": [str(file)], "tests": [{"external_labels": external, "alert_rule_test": [asked]}]}
    (tmp_path / "link.yaml").write_text(yaml.safe_dump(played))
    promtool("test", "rules", str(tmp_path / "link.yaml"))


def course(alert: str, told: Series, after: int, firing: int) -> dict[str, Any]:
    fired = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    question = {"expr": fired, "eval_time": f"{after}m", "exp_samples": [{"labels": "{}", "value": firing}]}
    given = [{"series": name, "values": values} for name, values in told.items()]
    return {"interval": "1m", "name": f"{alert}: {firing}", "input_series": given, "promql_expr_test": [question]}


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_every_command_of_inn_on_a_page_exists(page: Path) -> None:
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    spans = re.findall(r"`(inn [^`]+)`", page.read_text())
    for words in (text.split() for text in [*lines, *spans] if text.startswith("inn ")):
        command: click.Command = inn
        for word in words[1:]:
            if isinstance(command, click.Group):
                found = command.get_command(click.Context(command), word)
                assert found is not None, " ".join(words)
                command = found
            elif word.startswith("--"):
                assert any(word in option.opts for option in command.params), " ".join(words)
