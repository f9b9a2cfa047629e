# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.images.locked api --without runtime`: what extras need of requirements.lock, hashes kept.

Who needs whom is read from uv's `# via` comments, so nothing is resolved and nothing is asked of an index.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = "base"
ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_COMMENT = re.compile(r"\s*#\s*(?:via\b)?\s*")


@dataclass(frozen=True)
class Locked:
    """One entry of the lock: its lines as they stand there, and who needs it."""

    name: str
    version: str
    text: str
    needed_by: frozenset[str]


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> list[Locked]:
    """The entries of a lock file, in its order; the same name may be there twice, with other markers."""
    found: list[tuple[list[str], set[str]]] = []
    for line in lock.splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            found.append(([line], set()))
        elif found and line.lstrip().startswith("#"):
            found[-1][1].update(normal(word) for word in _NAME.findall(_COMMENT.sub("", line, count=1).split("(")[0]))
        elif found and line.strip():
            found[-1][0].append(line)
    return [_entry(lines, needed_by) for lines, needed_by in found]


def _entry(lines: list[str], needed_by: set[str]) -> Locked:
    name, _, rest = lines[0].partition("==")
    return Locked(normal(name.strip()), rest.split()[0], "\n".join(lines), frozenset(needed_by))


def wanted(project: Mapping[str, Any], extras: Iterable[str]) -> set[str]:
    """The names that these extras ask for (`base`: the project itself); ValueError for an unknown one."""
    groups = {BASE: project["project"]["dependencies"], **project["project"]["optional-dependencies"]}
    unknown = sorted(set(extras) - groups.keys())
    if unknown:
        raise ValueError(f"pyproject.toml has no extra {', '.join(unknown)}; it has {', '.join(groups)}")
    asked = [line for extra in extras for line in groups[extra]]
    return {normal(match[0]) for line in asked if (match := _NAME.match(line))}


def closure(locked: Iterable[Locked], names: set[str], left_out: Collection[str] = ()) -> set[str]:
    """These names and all that they need; not what is left out, nor what that alone needs."""
    there = [entry for entry in locked if entry.name not in left_out]
    known = {entry.name for entry in there} & names
    while more := {entry.name for entry in there if entry.needed_by & known} - known:
        known |= more
    return known


@dataclass(frozen=True)
class Wish:
    """Extras; extras whose packages are there already; packages that are never run."""

    extras: Sequence[str]
    without: Sequence[str] = ()
    left_out: Sequence[str] = ()


def subset(lock: str, project: Mapping[str, Any], wish: Wish) -> list[Locked]:
    """What is wished for; ValueError where the lock lacks something."""
    there, asked = entries(lock), wanted(project, wish.extras)
    absent = (asked | set(wish.left_out)) - {entry.name for entry in there}
    if absent:
        raise ValueError(f"requirements.lock lacks {', '.join(sorted(absent))}; run: make lock")
    had = closure(there, wanted(project, wish.without))
    names = closure(there, asked, wish.left_out) - had
    return [entry for entry in there if entry.name in names]


def read(wish: Wish) -> list[Locked]:
    """The same, of this checkout's files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return subset((ROOT / "requirements.lock").read_text(), project, wish)


def arguments_of(description: str) -> argparse.ArgumentParser:
    """What says a wish on a command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("extras", nargs="+")
    parser.add_argument("--without", nargs="*", default=[], help="extras whose packages are there already")
    parser.add_argument("--left-out", nargs="*", default=[], help="packages that are never run")
    return parser


def main(arguments: list[str]) -> int:
    """Print the lines, for pip to read."""
    options = arguments_of("Lines of requirements.lock for extras of pyproject.toml.").parse_args(arguments)
    wish = Wish(options.extras, options.without, options.left_out)
    print("\n".join(entry.text for entry in read(wish)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
