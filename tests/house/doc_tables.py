# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/*.md, made from the code; `python -m tests.house.doc_tables` writes them."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from services.common.contracts.flow import FLOWS, UNDO_STEPS, Flow, Step
from services.common.contracts.states import HOST_MOVES, JOB_MOVES, MEDIA_MOVES, VM_MOVES
from tests.house import capability_table
from tests.house.image_matrix import MEANINGS, columns, matrix
from tests.house.image_wishes import WISHES, wishes

ROOT = Path(__file__).resolve().parents[2]
FLOW_PAGE = ROOT / "docs" / "flow.md"
IMAGES_PAGE = ROOT / "docs" / "images.md"
HYPERVISORS_PAGE = ROOT / "docs" / "hypervisors.md"
S = TypeVar("S", bound=StrEnum)
_PLACE = "<!-- table: {} -->\n{}<!-- end -->"


def tables() -> dict[str, str]:
    """Every table by the name it has in the page."""
    return {
        "job-states": _moves(JOB_MOVES),
        "vm-states": _moves(VM_MOVES),
        "host-states": _moves(HOST_MOVES),
        "media-states": _moves(MEDIA_MOVES),
        "steps": _lines(("flow", "step", "queue", "deadline", "parks", "follows", "sent again", "undo"), _steps()),
        "undos": _lines(("undo", "queue", "deadline", "parks", "follows", "sent again"), _undos()),
        "vm-names": _lines(("flow", "meanwhile", "afterwards", "when it failed"), map(_names, FLOWS.values())),
    }


def image_tables() -> dict[str, str]:
    """The tables of the page about images."""
    marks, refusals = matrix()
    had, reasons = wishes()
    short = [name.partition("-")[0] for name in columns()]
    return {
        "columns": _lines(("", "a guest's network"), ((name, MEANINGS[name]) for name in short)),
        "matrix": _lines(("os", "delivery", *short), iter(marks)),
        "refusals": _lines(("os", "network", "what can't be said, and why"), iter(refusals)),
        "wishes": _lines(("os", "our agent", *WISHES), iter(had)),
        "wish-refusals": _lines(("os", "field", "why not"), iter(reasons)),
    }


def hypervisor_tables() -> dict[str, str]:
    """The tables of the page about hypervisors."""
    return {"capabilities": _lines(capability_table.head(), capability_table.rows())}


def written(page: str) -> dict[str, str]:
    """The tables as they stand in the page."""
    return dict(re.findall(r"<!-- table: ([a-z-]+) -->\n(.*?)<!-- end -->", page, re.S))


def _moves(moves: Mapping[S, frozenset[S]]) -> str:
    rows = ((f"`{old}`", " ".join(f"`{new}`" for new in sorted(new)) or "the end") for old, new in moves.items())
    return _lines(("from", "to"), rows)


def _steps() -> Iterator[Sequence[str]]:
    for flow in FLOWS.values():
        for step in flow.steps:
            yield (f"`{flow.kind}`", *_step(step), f"`{step.undo}`" if step.undo else "")


def _undos() -> Iterator[Sequence[str]]:
    return (_step(step) for step in UNDO_STEPS.values())


def _step(step: Step) -> tuple[str, ...]:
    again = f"{step.resend_s:g} s" if step.resend_s else ""
    parks, follows = _yes(step.parks), _yes(step.follows)
    return f"`{step.name}`", f"`{step.queue}`", f"{step.deadline_s:g} s", parks, follows, again


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _names(flow: Flow) -> Sequence[str]:
    during, after = (f"`{state}`" if state else "" for state in (flow.during, flow.after))
    failed = f"`{flow.failed}`" if flow.failed else "what it was" if flow.during else ""
    return f"`{flow.kind}`", during, after, failed


def _lines(head: Sequence[str], rows: "Iterator[Sequence[str]] | map[Sequence[str]]") -> str:
    body = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in body)


def main() -> int:
    """Write the tables into their pages."""
    pages = ((FLOW_PAGE, tables()), (IMAGES_PAGE, image_tables()), (HYPERVISORS_PAGE, hypervisor_tables()))
    return max(_write(page, made) for page, made in pages)


def _write(path: Path, made: Mapping[str, str]) -> int:
    page = path.read_text()
    for name, table in made.items():
        pattern = re.compile(re.escape(f"<!-- table: {name} -->\n") + ".*?<!-- end -->", re.S)
        page, count = pattern.subn(lambda _, n=name, t=table: _PLACE.format(n, t), page)  # type: ignore[misc]
        if count != 1:
            sys.stderr.write(f"{path}: {count} places for the table {name}\n")
            return 1
    path.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
