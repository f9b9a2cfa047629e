# SPDX-License-Identifier: Apache-2.0
"""What came of a replay, and how two of them differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from services.scheduler.simulation.trace import Trace

JsonDict = dict[str, Any]
Size = tuple[int, int, int]
SIZES, MOVES = 50, 100  # that are told one by one
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


def told(trace: Trace, outcomes: Sequence[Outcome]) -> JsonDict:
    """Everything as plain values; the first outcome is what the others are compared with where nothing was recorded."""
    recorded = [arrival.host for arrival in trace.arrivals]
    base = recorded if any(recorded) else outcomes[0].homes
    names = {host.id: host.name for host in trace.hosts}
    return {
        "hosts": len(trace.hosts),
        "vms": len(trace.arrivals),
        "compared_with": "recorded" if any(recorded) else outcomes[0].policy,
        "outcomes": [_totals(trace, outcome, base) for outcome in outcomes],
        "moves": _moves(trace, base, outcomes[-1].homes, names),
    }


def _totals(trace: Trace, outcome: Outcome, base: Sequence[str]) -> JsonDict:
    return {
        "policy": outcome.policy,
        "placed": len(outcome.homes) - outcome.refused,
        "refused": outcome.refused,
        "moved": moved(base, outcome.homes),
        "hosts_used": outcome.hosts_used,
        "host_hours": outcome.host_hours,
        "kwh": outcome.kwh,
        "hot_host_hours": outcome.hot_host_hours,
        "wakes": outcome.wakes,
        "waited_s": outcome.waited_s,
        "decision_p50_us": outcome.decision_us[0],
        "decision_p99_us": outcome.decision_us[1],
        "sizes": _by_size(trace, outcome, base),
    }


def _by_size(trace: Trace, outcome: Outcome, base: Sequence[str]) -> list[JsonDict]:
    """The SIZES that were asked for most often, most often first."""
    asked, refused, elsewhere = Counter[Size](), Counter[Size](), Counter[Size]()
    for arrival, home, then in zip(trace.arrivals, outcome.homes, base, strict=True):
        size = arrival.request.vcpus, arrival.request.memory_mib, arrival.request.disk_gib
        asked[size] += 1
        refused[size] += not home
        elsewhere[size] += bool(then) and then != home
    return [
        {
            "vcpus": size[0],
            "memory_mib": size[1],
            "disk_gib": size[2],
            "asked": count,
            "refused": refused[size],
            "moved": elsewhere[size],
        }
        for size, count in sorted(asked.items(), key=lambda pair: (-pair[1], pair[0]))[:SIZES]
    ]


def _moves(trace: Trace, then: Sequence[str], now: Sequence[str], names: Mapping[str, str]) -> list[JsonDict]:
    """The first MOVES vms that got another host, or none; hosts by their names."""
    others = (
        {"vm": arrival.request.id, "before": names.get(a, a), "after": names.get(b, b)}
        for arrival, a, b in zip(trace.arrivals, then, now, strict=True)
        if a and a != b
    )
    return list(islice(others, MOVES))
