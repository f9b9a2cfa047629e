# SPDX-License-Identifier: Apache-2.0
"""Outcomes as a picture (SVG): how full each host is under each policy, and what all hosts draw as time goes on."""

from collections.abc import Sequence
from html import escape

from services.scheduler.simulation.outcome import Outcome
from services.scheduler.simulation.trace import Trace

_WIDTH, _ROW, _TOP, _LEFT = 900, 86, 64, 150
_BARS, _LINE = 430, 220  # widths of what is drawn in a row
_MOST_BARS, _MOST_POINTS = 430, 440  # more can't be told apart; they are drawn as means of their neighbours
_STYLE = """.paper{fill:#ffffff}.name{fill:#1f2328;font-weight:600}.text{fill:#57606a;font-size:12px}.room{fill:#eaeef2}
.full{fill:#0969da}.base{stroke:#8c959f;stroke-width:1}.watts{stroke:#bc4c00;stroke-width:1.5;fill:none}
@media (prefers-color-scheme: dark){.paper{fill:#0d1117}.name{fill:#f0f6fc}.text{fill:#9198a1}.room{fill:#21262d}
.full{fill:#58a6ff}.base{stroke:#6e7681}.watts{stroke:#f0883e}}"""


def picture(title: str, trace: Trace, outcomes: Sequence[Outcome]) -> str:
    """The picture as text, the same for the same outcomes: times that decisions took aren't in it."""
    height = _TOP + _ROW * len(outcomes) + 36
    most = max((max(o.watts, default=0.0) for o in outcomes), default=0.0)
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- SPDX-License-Identifier: Apache-2.0 -->',
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d" '
        'font-family="system-ui, \'Segoe UI\', Helvetica, Arial, sans-serif" font-size="14">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(" ".join(_sentence(o) for o in outcomes))}</desc>',
        f"<style>\n{_STYLE}\n</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="10"/>',
        f'<text class="name" x="20" y="30">{escape(title)}</text>',
        f'<text class="text" x="{_LEFT}" y="54">vcpus claimed on each host, mean over the time</text>',
        f'<text class="text" x="{_LEFT + _BARS + 50}" y="54">watts of all hosts, at most {most:.0f} W</text>',
    ]
    for number, outcome in enumerate(outcomes):
        parts += _row(_TOP + _ROW * number, trace, outcome, most)
    parts += _names(height - 26, trace)
    return "\n".join([*parts, "</svg>", ""])


def claimed(trace: Trace, outcome: Outcome) -> dict[str, float]:
    """By host, the mean share of its vcpus that vms of the trace had claimed."""
    sums = {host.id: 0.0 for host in trace.hosts}
    for arrival, home in zip(trace.arrivals, outcome.homes, strict=True):
        if home:
            sums[home] += arrival.request.vcpus * max(0.0, min(arrival.lasts, trace.until - arrival.at))
    return {h.id: sums[h.id] / max(1, h.vcpus) / max(1.0, trace.until) for h in trace.hosts}


def _sentence(o: Outcome) -> str:
    return (
        f"{o.policy}: {o.kwh:.1f} kWh, {o.hosts_used} hosts used, {o.host_hours:.0f} hours of hosts awake, "
        f"{o.refused} vms refused."
    )


def _names(y: int, trace: Trace) -> list[str]:
    """The hosts' names under their columns, while there is room for them."""
    step = _BARS / max(1, len(trace.hosts))
    longest = max((len(host.name) for host in trace.hosts), default=0)
    if longest * 5 > step:
        return []
    style = 'class="text" style="font-size:9px"'
    parts = [
        f'<text {style} x="{_LEFT + n * step:.1f}" y="{y}">{escape(host.name)}{"*" if host.traits else ""}</text>'
        for n, host in enumerate(trace.hosts)
    ]
    traits = sorted({trait for host in trace.hosts for trait in host.traits})
    if traits:
        parts.append(f'<text {style} x="{_LEFT}" y="{y + 14}">* {escape(", ".join(traits))}</text>')
    return parts


def _row(top: int, trace: Trace, outcome: Outcome, most: float) -> list[str]:
    """One policy: its name and totals, a bar for each host, a line of its watts."""
    base, high = top + 68, 50
    parts = [
        f'<text class="name" x="20" y="{top + 34}">{escape(outcome.policy)}</text>',
        f'<text class="text" x="20" y="{top + 52}">{outcome.kwh:.1f} kWh</text>',
        f'<text class="text" x="20" y="{top + 68}">{outcome.hosts_used} hosts used</text>',
    ]
    bars = _bars(trace, outcome)
    step = _BARS / max(1, len(bars))
    for n, (name, share) in enumerate(bars):
        x = _LEFT + n * step
        told = f"<title>{escape(name)}: {share:.0%}</title>"
        parts.append(f'<rect class="room" x="{x:.1f}" y="{base - high}" width="{step * 0.8:.1f}" height="{high}"/>')
        parts.append(
            f'<rect class="full" x="{x:.1f}" y="{base - high * share:.1f}" width="{step * 0.8:.1f}" '
            f'height="{high * share:.1f}">{told}</rect>'
        )
    drawn = _thinned(outcome.watts, _MOST_POINTS)
    left, count = _LEFT + _BARS + 50, max(1, len(drawn) - 1)
    points = " ".join(
        f"{left + n * _LINE / count:.1f},{base - (high * watts / most if most else 0):.1f}"
        for n, watts in enumerate(drawn)
    )
    parts.append(f'<path class="base" d="M{left} {base}H{left + _LINE}"/>')
    return [*parts, f'<polyline class="watts" points="{points}"/>']


def _bars(trace: Trace, outcome: Outcome) -> list[tuple[str, float]]:
    """What each bar stands for, a host or some beside each other, and how full it is."""
    shares = claimed(trace, outcome)
    names = [host.name for host in trace.hosts]
    wide = _wide(len(names), _MOST_BARS)
    groups = [names[n : n + wide] for n in range(0, len(names), wide)]
    full = _thinned([min(1.0, shares[host.id]) for host in trace.hosts], _MOST_BARS)
    return [(g[0] if len(g) == 1 else f"{g[0]} to {g[-1]}", share) for g, share in zip(groups, full, strict=True)]


def _thinned(values: Sequence[float], most: int) -> list[float]:
    """At most so many values: means of as many neighbours as it takes."""
    wide = _wide(len(values), most)
    chunks = (values[n : n + wide] for n in range(0, len(values), wide))
    return [sum(chunk) / len(chunk) for chunk in chunks]


def _wide(count: int, most: int) -> int:
    return max(1, -(-count // most))
