# SPDX-License-Identifier: Apache-2.0
"""How much power placement saves: the shipped energy-first against spread and PABFD, on the same hosts and vms.

`python -m tests.bench.scheduler_energy [--json] [--load 0.6]`. Every policy has the same limits, nothing
overcommitted, and the same hosts: they sleep when they have been empty for 20 minutes, take 120 s to wake, and fail to
in 5 of 100 cases.

What is gained depends on how much the hosts differ in watts per vcpu. So the same is told of a second fleet, in which
they differ less: the keys that begin with `other_`, for which there is no target.
"""

from collections.abc import Callable, Collection
from importlib.resources import files

import click
import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.energy_columns import watts_at_each
from services.scheduler.engine.table import Floats, HostTable, Ints
from services.scheduler.policy import Policy
from services.scheduler.policy_file import read_policy
from services.scheduler.simulation.outcome import Outcome
from services.scheduler.simulation.replay import Decide, Decider, by_policy, replay
from tests.bench.energy_trace import ONE_OR_TWO, TWO, make_trace, traces_folder
from tests.bench.figures import show

SHIPPED = "overcommit: {cpu: 8.0, memory: 1.0, disk: 1.5}", "reserve: {cpu: 0, memory: 512MiB, disk: 2GiB}"
FAIR = "overcommit: {cpu: 1.0, memory: 1.0, disk: 1.0}", "reserve: {cpu: 0, memory: 0MiB, disk: 0GiB}"
MEAN_USE = 0.123  # of PlanetLab's vms, for the peer that reckons with use instead of claims
KEYS = ("energy_vs_spread", "energy_vs_pabfd", "hot_host_hours")
FLEETS = {"": ONE_OR_TWO, "other_": TWO}  # what its keys begin with, and the processors of its systems
Score = Callable[[HostTable, Request], Floats]


def energy_first() -> Policy:
    """The shipped policy, with the limits everybody has here."""
    text = (files("services.scheduler") / "policies" / "energy-first.yaml").read_text()
    for shipped, fair in zip(SHIPPED, FAIR, strict=True):
        if shipped not in text:
            raise click.ClickException(
                f"energy-first doesn't say {shipped!r} any more: bring this benchmark up to date"
            )
        text = text.replace(shipped, fair)
    return read_policy(text)


def peer(score: Score) -> Decider:
    """A scheduler that takes the host with the highest score of those with room."""

    def decider(table: HostTable) -> Decide:
        return lambda request: _best(table, request, score)

    return decider


def _best(table: HostTable, request: Request, score: Score) -> int:
    size = table.size
    room = table.state[:size] == table.code("up")
    for need, total, used in (
        (request.vcpus, table.vcpus, table.used_vcpus),
        (request.memory_mib, table.memory_mib, table.used_memory_mib),
    ):
        room &= used[:size] + need <= total[:size]
    if not room.any():
        return -1
    return int(np.argmax(np.where(room, score(table, request), -np.inf)))


def spread(table: HostTable, request: Request) -> Floats:
    """The emptiest host by shares of vcpus and memory."""
    n = table.size
    cpu = (table.used_vcpus[:n] + request.vcpus) / table.vcpus[:n]
    memory = (table.used_memory_mib[:n] + request.memory_mib) / table.memory_mib[:n]
    return np.asarray(-(cpu + memory), np.float64)


def first_fit(table: HostTable, request: Request) -> Floats:
    """The first host with room."""
    return -np.arange(table.size, dtype=np.float64)


def pabfd(use: float) -> Score:
    """Power-aware best fit: the fewest watts added, a sleeping host's idle watts included (Beloglazov and Buyya).

    `use` is the share of its vcpus a vm is expected to keep busy; 1 reckons with what is claimed.
    """

    def score(table: HostTable, request: Request) -> Floats:
        n = table.size
        curves, threads, used = table.curve[:n], table.vcpus[:n], table.used_vcpus[:n]
        before = np.where(table.vms[:n] > 0, _watts(curves, np.multiply(used, use), threads), 0.0)
        return before - _watts(curves, np.multiply(used + request.vcpus, use), threads)

    return score


def _watts(curves: Floats, busy: Floats, threads: Ints) -> Floats:
    return watts_at_each(curves, np.asarray(busy / threads, np.float64))


def run(load: float, chips: Collection[int] = ONE_OR_TWO) -> dict[str, Outcome]:
    """Each policy on the same trace."""
    trace = make_trace(traces_folder(), load, chips=chips)
    deciders: dict[str, Decider] = {
        "energy-first": by_policy(energy_first()),
        "spread": peer(spread),
        "first fit": peer(first_fit),
        "PABFD by claims": peer(pabfd(1.0)),
        "PABFD by use": peer(pabfd(MEAN_USE)),
    }
    return {name: replay(trace, name, decider) for name, decider in deciders.items()}


def figures(load: float = 0.6) -> tuple[dict[str, float | None], dict[str, str]]:
    """The figures, and what they come from; null without the data."""
    if not (traces_folder() / "specpower").is_dir():
        keys = [f"{fleet}{key}" for fleet in FLEETS for key in KEYS]
        return dict.fromkeys(keys), {"energy": "no workload data: INNKEEPER_TRACES names its folder"}
    values: dict[str, float | None] = {}
    notes: dict[str, str] = {}
    for fleet, chips in FLEETS.items():
        found = run(load, chips)
        ours, best = found["energy-first"], min(found["PABFD by claims"].kwh, found["PABFD by use"].kwh)
        told = ours.kwh / found["spread"].kwh, ours.kwh / best, ours.hot_host_hours
        values |= {f"{fleet}{key}": value for key, value in zip(KEYS, told, strict=True)}
        notes |= {f"{fleet}{name}": _told(outcome) for name, outcome in found.items()}
    return values, notes


def _told(o: Outcome) -> str:
    return (
        f"{o.kwh:.0f} kWh, {o.host_hours:.0f} host hours, {o.hot_host_hours:.1f} of them above 85 % CPU, "
        f"{o.refused} of {len(o.homes)} vms refused, {o.wakes} wakes ({o.failed_wakes} failed), "
        f"vms waited {o.waited_s / 3600:.1f} h"
    )


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--load", type=click.FloatRange(0.05, 0.9), default=0.6, show_default=True)
def main(as_json: bool, load: float) -> None:
    """Compare placements by the energy they take."""
    found, notes = figures(load)
    show({key: value for key, value in found.items() if value is not None}, as_json, notes)


if __name__ == "__main__":
    main()
