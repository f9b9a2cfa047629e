# SPDX-License-Identifier: Apache-2.0
"""The house keeps itself: file sizes, function sizes, names, licences, and flow <-> registered steps."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.contracts.flow import FLOWS, QUEUES, UNDO_STEPS

ROOT = Path(__file__).resolve().parents[2]
VAGUE = {"utils.py", "helpers.py", "common.py", "manager.py", "misc.py", "util.py"}
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 400, 60, 6


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


SOURCES = tracked("services/**.py", "innkeeper/**.py", "deploy/**.py", "tests/**.py")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > LONGEST_FILE}
    assert not long


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{p.relative_to(ROOT)}:{f.lineno} {f.name}"
        for p in SOURCES
        if "migrations/versions" not in str(p)
        for f in functions(p)
        if (f.end_lineno or f.lineno) - f.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_file_names_say_the_idea() -> None:
    assert not [str(p) for p in SOURCES if p.name in VAGUE]


def test_every_source_file_names_its_licence_first() -> None:
    bare = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.read_text().strip() and not p.read_text().startswith(("# SPDX-License-Identifier: Apache-2.0", "#!"))
    ]
    assert not bare


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.read_text().strip() and "tests" not in p.parts and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent


def test_every_queue_has_steps_and_a_service_that_works_on_it() -> None:
    # That a service's handlers are exactly its queue's steps, run_worker checks before it starts.
    entries = "".join(p.read_text() for p in tracked("services/*/__main__.py"))
    assert set(re.findall(r"run_worker\(Queue\.(\w+),", entries)) == {queue.upper() for queue in QUEUES}


def test_every_undo_is_a_step_of_a_flow_too_but_for_media_and_hosts() -> None:
    names = {s.name for flow in FLOWS.values() for s in flow.steps}
    assert {step.name for step in UNDO_STEPS.values()} <= names | {
        *(
            "drop-media",
            "stay-awake",
            "give-up-waking",
            "take-off-volume",
            "let-go-volume",
            "let-go-room",
            "resize-back",
            "unplug-nic",
            "let-go-nic",
        )
    }


@pytest.mark.parametrize("word", [str(ROOT), f"{Path.home()}/.", "TODO", "FIXME", "XXX"])
def test_nothing_of_one_machine_and_nothing_left_for_later(word: str) -> None:
    texts = tracked("services", "innkeeper", "deploy", "docs", "README.md", "Makefile", ".ci", "tests", "CHANGELOG.md")
    found = [
        str(p.relative_to(ROOT))
        for p in texts
        if p.suffix in {".py", ".md", ".sh", ".yaml", ".yml", ".j2", ".toml", ""}
        and p != Path(__file__)
        and word in p.read_text(errors="replace")
    ]
    assert not found
