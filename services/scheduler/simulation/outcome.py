# SPDX-License-Identifier: Apache-2.0
"""What came of a replay, and how two of them differ."""

from collections.abc import Sequence
from dataclasses import dataclass

COLUMNS = ("policy", "placed", "refused", "moved", "hosts used", "host hours", "kWh", "hot hours", "wakes", "p99 us")


@dataclass(frozen=True)
class Outcome:
    """Totals of one replay. `homes` has the host of each arrival, "" where it was refused."""

    policy: str
    homes: tuple[str, ...]
    refused: int
    first_refusal: int  # the number of the arrival, -1 for none
    hosts_used: int
    host_hours: float
    kwh: float
    hot_host_hours: float
    wakes: int
    failed_wakes: int
    waited_s: float  # of vms, for hosts that had to wake
    decision_us: tuple[float, float]  # median and 99th percentile
    watts: tuple[float, ...] = ()  # of all hosts, sample by sample


def moved(then: Sequence[str], now: Sequence[str]) -> int:
    """How many arrivals got another host; those whose host then isn't known don't count."""
    return sum(bool(a) and a != b for a, b in zip(then, now, strict=True))


def as_rows(outcomes: Sequence[Outcome], recorded: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """A row of text for each outcome under COLUMNS; moved against `recorded`, else against the first of them."""
    base = recorded if any(recorded) else outcomes[0].homes if outcomes else ()
    return [_row(outcome, moved(base, outcome.homes)) for outcome in outcomes]


def as_text(outcomes: Sequence[Outcome], recorded: Sequence[str] = ()) -> str:
    """The table as lines of text, numbers to the right."""
    rows = [COLUMNS, *as_rows(outcomes, recorded)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.rjust(w) if n else cell.ljust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def _row(outcome: Outcome, elsewhere: int) -> tuple[str, ...]:
    return (
        outcome.policy,
        str(len(outcome.homes) - outcome.refused),
        str(outcome.refused),
        str(elsewhere),
        str(outcome.hosts_used),
        f"{outcome.host_hours:.0f}",
        f"{outcome.kwh:.1f}",
        f"{outcome.hot_host_hours:.1f}",
        str(outcome.wakes),
        f"{outcome.decision_us[1]:.0f}",
    )
