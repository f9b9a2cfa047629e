# SPDX-License-Identifier: Apache-2.0
"""The rules that read claims, as code that compiles: to the last bit what the rules themselves say."""

from math import isnan

import numpy as np

from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import Floats, Ints

# Of what is asked: vcpus, memory, disk, the capacity filter's bit, and whether ties go by vms.
# Arrays go into compiled code as plain tuples: one by one they are too many, and a tuple with names costs 3 us a call.
Hosts = tuple[Ints, Ints, Floats]  # HostTable.numbers, Columns.limits, Columns.watts
Ask = tuple[Ints, Ints, Floats]  # what is asked; Plan.codes; Plan.numbers

GIVEN, PACK, SPREAD, BALANCE, CPU, ENERGY = range(6)
PARAMETERS = 4
GRAIN = 2.0**20  # terms are whole multiples of 1/GRAIN


@compiled
def share(used: int, limit: int) -> float:
    """How full a resource is, 0 to 1."""
    return min(1.0, used / limit) if limit > 0 else 1.0


@compiled
def watts_at(curve: Floats, utilisation: float) -> float:
    """Watts at a utilisation of 0 to 1."""
    position = min(1.0, max(0.0, utilisation)) * (len(curve) - 1)
    left = min(int(position), len(curve) - 2)
    watts: float = curve[left] + (curve[left + 1] - curve[left]) * (position - left)
    return watts


@compiled
def frugality(watts: float, half: float) -> float:
    """0 to 0.5, the fewer watts the more; unknown watts are NaN."""
    return 0.0 if isnan(watts) else 0.5 * half / (half + max(0.0, watts))


@compiled
def energy(row: int, asked: int, hosts: Hosts, p: Floats) -> float:
    """The upper half for hosts that run vms anyway, the lower for those that could sleep; p[1] watts are the middle."""
    numbers, limits, watts = hosts
    used, limit = numbers[3, row], limits[0, row]
    if numbers[6, row] == 0:
        return frugality(watts[row, 11] * p[2], p[1])
    if limit <= 0 or isnan(watts[row, 0]):
        return 0.5
    curve = watts[row, :11]
    added = watts_at(curve, (used + asked) / limit) - watts_at(curve, used / limit)
    return 0.5 + frugality(added / max(1, asked) + curve[0] / limit, p[1])


@compiled
def fill(first: int, last: int, asked: Ints, hosts: Hosts, shares: Floats) -> None:
    """How full the rows `first` to `last` are with what is asked, by resource."""
    numbers, limits, _ = hosts
    for n in range(3):
        for i in range(last - first):
            shares[n, i] = share(numbers[3 + n, first + i] + asked[n], limits[n, first + i])


@compiled
def blend(code: int, p: Floats, length: int, shares: Floats) -> None:
    """The norms, into the last row of `shares`, of weighers that look at nothing else."""
    norms = shares[3]
    if code == BALANCE:
        for i in range(length):
            norms[i] = 1.0 - abs(shares[0, i] - shares[1, i])
        return
    for i in range(length):
        norms[i] = (p[1] * shares[0, i] + p[2] * shares[1, i] + p[3] * shares[2, i]) / p[4]
    if code == SPREAD:
        for i in range(length):
            norms[i] = 1.0 - norms[i]


@compiled
def idle(first: int, last: int, hosts: Hosts, shares: Floats) -> None:
    """The norms of the weigher that prefers processors idle now; what isn't told stays what claims leave."""
    for i in range(last - first):
        percent = hosts[2][first + i, 12]
        free = 1.0 - shares[0, i]
        shares[3, i] = free if isnan(percent) else 1.0 - min(100.0, max(0.0, percent)) / 100


@compiled
def weigh(span: tuple[int, int], ask: Ask, hosts: Hosts, shares: Floats, terms: Ints) -> None:
    """What each weigher of the policy adds to the scores of a span of rows, in grains."""
    first, last = span
    asked, codes, params = ask
    fill(first, last, asked, hosts, shares)
    for w in range(len(codes)):
        code, p = codes[w], params[w]
        if code == ENERGY:
            for i in range(last - first):
                shares[3, i] = energy(first + i, asked[0], hosts, p)
        elif code == CPU:
            idle(first, last, hosts, shares)
        else:
            blend(code, p, last - first, shares)
        for i in range(last - first):
            terms[w, i] = int(np.rint(p[0] * shares[3, i] * GRAIN))


@compiled
def fits(row: int, asked: Ints, hosts: Hosts) -> bool:
    """Whether the row has room for what is asked."""
    numbers, limits, _ = hosts
    within = asked[0] <= numbers[0, row]
    for n in range(3):
        within = within and asked[n] <= limits[n, row] - numbers[3 + n, row]
    return bool(within)
