# SPDX-License-Identifier: Apache-2.0
"""What the documents say is what the code does: tables, links, targets, settings, metrics."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api.schemas import pieces
from services.common.contracts.flow import QUEUES
from services.common.runtime.settings import Settings, SettingsError
from services.hostagent.drivers import DRIVERS
from tests.house import capability_table
from tests.house.doc_tables import (
    FLOW_PAGE,
    HYPERVISORS_PAGE,
    IMAGES_PAGE,
    ROOT,
    hypervisor_tables,
    image_tables,
    tables,
    written,
)

SETTINGS_PAGE = ROOT / "docs" / "operations" / "settings.md"
METRICS_PAGE = ROOT / "docs" / "operations" / "metrics.md"
_METRIC = re.compile(r'(Counter|Gauge|Histogram)(?:MetricFamily)?\(\s*"(innkeeper_\w+)"')


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / line for line in listed if line and (ROOT / line).is_file()]


PAGES = tracked("README.md", "CHANGELOG.md", "docs/*.md", "docs/**/*.md")
CODE = tracked("services/*.py", "services/**/*.py", "innkeeper/**/*.py", "deploy/**/*.py")


@pytest.mark.parametrize("name", sorted(tables()))
def test_each_table_of_the_flow_page_is_the_code_s(name: str) -> None:
    found = written(FLOW_PAGE.read_text())
    assert found.get(name) == tables()[name], "write it anew: python -m tests.house.doc_tables"


def test_the_flow_page_has_no_other_tables_and_names_every_queue() -> None:
    page = FLOW_PAGE.read_text()
    assert set(written(page)) == set(tables())
    assert all(f"`{queue}`" in page for queue in QUEUES)


def test_the_matrix_of_the_images_page_is_what_the_catalogue_builds() -> None:
    assert written(IMAGES_PAGE.read_text()) == image_tables(), "write it anew: python -m tests.house.doc_tables"


def test_the_hypervisors_page_says_of_every_capability_which_drivers_have_it() -> None:
    page = HYPERVISORS_PAGE.read_text()
    assert written(page) == hypervisor_tables(), "write it anew: python -m tests.house.doc_tables"
    assert set(capability_table.MEANINGS) == capability_table.words()
    for name, driver in capability_table.classes().items():
        assert (driver.capabilities | driver.by_host) <= capability_table.words(), name


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    code = "\n".join(spans(page))
    named = set(re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", code, re.M))
    assert named <= targets


def spans(page: Path) -> list[str]:
    """What the page shows as code."""
    text = page.read_text()
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_that_is_to_be_run_exists(page: Path) -> None:
    modules = re.findall(r"python3? -m ((?:services|deploy|tests|innkeeper)[\w.]*\w)", "\n".join(spans(page)))
    paths = [ROOT / module.replace(".", "/") for module in modules]
    missing = [str(p) for p in paths if not p.with_suffix(".py").is_file() and not (p / "__main__.py").is_file()]
    assert not missing


def test_every_decision_is_in_the_index_and_has_its_parts() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for page in tracked("docs/adr/0*.md"):
        text = page.read_text()
        title = text.splitlines()[0].removeprefix(f"# {page.name[:4]} ")
        assert f"[{page.name[:4]}]({page.name}) | {title} |" in index
        assert all(part in text for part in ("\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Price\n")), (
            page.name
        )


def settings_read() -> set[str]:
    """Every INNKEEPER_* variable that the code names, and those that Settings asks for."""
    asked: list[str] = []

    class Asked(dict[str, str]):
        def get(self, name: str, default: object = None) -> str | None:  # type: ignore[override]
            asked.append(name)
            return default if isinstance(default, str) else None

    with pytest.raises(SettingsError):
        Settings.from_env(Asked())
    named = {name for path in CODE for name in re.findall(r"\bINNKEEPER_[A-Z_]*[A-Z]\b", path.read_text())}
    return named | set(asked)


def first_cells(page: Path, pattern: str) -> list[str]:
    return re.findall(rf"^\| `({pattern})", page.read_text(), re.M)


def test_every_setting_is_described_and_every_described_setting_exists() -> None:
    described = Counter(first_cells(SETTINGS_PAGE, "INNKEEPER_[A-Z_]+"))
    assert set(described) == settings_read()
    assert max(described.values()) == 1


def test_every_default_of_a_setting_is_the_code_s() -> None:
    needed = ("DATABASE_URL", "BROKER_URL", "REDIS_URL", "KEYS_DIR", "STATE_DIR")
    settings = Settings.from_env({f"INNKEEPER_{name}": "x" for name in needed})
    rows = dict(re.findall(r"^\| `INNKEEPER_([A-Z_]+)` \| `([^`]+)`", SETTINGS_PAGE.read_text(), re.M))
    for name, default in rows.items():
        found = getattr(settings, name.lower(), None)
        if found is not None:
            assert (f"{found:g}" if isinstance(found, float) else str(found)) == default, name


def test_every_metric_is_described_with_its_kind_and_every_described_metric_exists() -> None:
    in_code = {(name, kind.lower()) for path in CODE for kind, name in _METRIC.findall(path.read_text())}
    described = re.findall(r"^\| `(innkeeper_\w+)[^`]*` \| (\w+) \|", METRICS_PAGE.read_text(), re.M)
    assert set(described) == in_code
    assert len(described) == len(set(described))


def test_the_api_knows_the_drivers_that_agents_have() -> None:
    assert set(pieces.DRIVERS) == set(DRIVERS)
