# SPDX-License-Identifier: Apache-2.0
"""The matrix of docs/images.md: every row of the catalogue against every kind of network, made by building each."""

from collections.abc import Iterator, Sequence

from services.common.catalog import systems
from services.common.contracts.errors import Invalid
from tests.support.answers import answer_files
from tests.support.imaging import COLUMNS

MEANINGS = {
    "N1": "one DHCP",
    "N2": "one static IPv4",
    "N3": "static dual stack",
    "N4": "IPv6 only",
    "N5": "static, and DHCP without its default route",
    "N6": "two static, one gateway",
    "N7": "three mixed",
    "N8": "several addresses on a NIC",
    "N9": "static routes with metrics",
    "N10": "VLAN on a NIC",
    "N11": "bonds (LACP, active-backup) and a VLAN",
    "N12": "one NIC unconfigured, MTU 9000",
}


def columns() -> list[str]:
    """N1 to N12, in this order."""
    return sorted(COLUMNS, key=lambda name: int(name[1:].partition("-")[0]))


def matrix() -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """Rows of (os, delivery, a mark a column), and of (os, column, what is refused and why)."""
    marks: list[Sequence[str]] = []
    refusals: list[Sequence[str]] = []
    for name, entry in sorted(systems().items()):
        cells = [_cell(name, column) for column in columns()]
        marks.append([f"`{name}`", entry.delivery, *("yes" if not why else "422" for why in cells)])
        refusals += _together(name, cells)
    return marks, refusals


def _cell(row: str, column: str) -> str:
    try:
        answer_files(row, column)
    except Invalid as refused:
        return "; ".join(f"`{problem.pointer}`: {problem.detail}" for problem in refused.problems)
    return ""


def _together(name: str, cells: Sequence[str]) -> Iterator[Sequence[str]]:
    reasons: dict[str, list[str]] = {}
    for column, why in zip(columns(), cells, strict=True):
        if why:
            reasons.setdefault(why, []).append(column.partition("-")[0])
    for why, where in reasons.items():
        yield [f"`{name}`", " ".join(where), why]
