# SPDX-License-Identifier: Apache-2.0
"""Results in the form that was asked for: a table for people, JSON and YAML for programs, names for shells."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from innkeeper.cli.words import clean

FORMATS = ("table", "json", "yaml", "name")

STATE_COLOURS: Mapping[str, str] = {
    "ready": "green",
    "up": "green",
    "succeeded": "green",
    "done": "green",
    "available": "green",
    "ready-unverified": "yellow",
    "suspended": "yellow",
    "stalled": "yellow",
    "draining": "yellow",
    "collected": "yellow",
    "maintenance": "yellow",
    "falling-asleep": "yellow",
    "waking": "yellow",
    "network-mismatch": "red",
    "missing": "red",
    "repairing": "yellow",
    "failed": "red",
    "down": "red",
}


@dataclass(frozen=True)
class Column:
    """A heading and how to get a cell from an item; `state` cells are coloured on a terminal."""

    heading: str
    cell: Callable[[Any], str]
    state: bool = False


def show(items: Sequence[Any], columns: Sequence[Column], form: str, empty: str = "") -> None:
    """Print a list; `empty` is said (to stderr) where a table would have no row."""
    if form == "json":
        click.echo(as_json([item.raw for item in items]))
    elif form == "yaml":
        click.echo(as_yaml([item.raw for item in items]), nl=False)
    elif form == "name":
        for item in items:
            click.echo(name_of(item))
    elif items:
        click.echo(table(items, columns))
    elif empty:
        click.echo(empty, err=True)


def show_one(item: Any, text: Callable[[Any], str], form: str) -> None:
    """Print one thing; `text` is its form for people."""
    if form == "json":
        click.echo(as_json(item.raw))
    elif form == "yaml":
        click.echo(as_yaml(item.raw), nl=False)
    else:
        click.echo(name_of(item) if form == "name" else text(item))


def table(items: Sequence[Any], columns: Sequence[Column]) -> str:
    """Aligned columns under headings; nothing is cut, so that a script may read it too."""
    rows = [[c.heading for c in columns]] + [[clean(c.cell(item)) or "-" for c in columns] for item in items]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = []
    for n, row in enumerate(rows):
        cells = [
            _coloured(cell, width, columns[i].state and n > 0)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """One thing as `label  value` lines; empty values are left out, a `state` is coloured on a terminal."""
    shown = [(label, clean(value)) for label, value in pairs if value]
    width = max((len(label) for label, _ in shown), default=0)
    return "\n".join(
        f"{label.ljust(width)}  {state_text(value) if label == 'state' else value}" for label, value in shown
    )


def state_text(state: str) -> str:
    """A state in its colour; click takes the colour away where no terminal is."""
    return click.style(state, fg=STATE_COLOURS[state]) if state in STATE_COLOURS else state


def as_json(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_yaml(value: Any) -> str:
    """Block YAML in the server's order of fields, ending in a newline."""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def name_of(item: Any) -> str:
    """What a later command takes: the name, or the id of things without one."""
    return str(getattr(item, "name", "") or item.id)


def _coloured(cell: str, width: int, state: bool) -> str:
    """Padded by what is seen, so that colour codes don't shift the columns."""
    return (state_text(cell) if state else cell) + " " * (width - len(cell))
