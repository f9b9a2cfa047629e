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
ABSENT = 1 << 62  # the bit of a row without a host
GRAIN = 2.0**20  # terms are whole multiples of 1/GRAIN


@compiled
def share(used: int, limit: int) -> float:
    """How full a resource is, 0 to 1."""
    return min(1.0, used / limit) if limit > 0 else 1.0


@compiled
def watts_at(watts: Floats, row: int, utilisation: float) -> float:
    """Watts of the row's host at a utilisation of 0 to 1."""
    position = min(1.0, max(0.0, utilisation)) * 10
    left = min(int(position), 9)
    found: float = watts[row, left] + (watts[row, left + 1] - watts[row, left]) * (position - left)
    return found


@compiled
def frugality(watts: float, half: float) -> float:
    """0 to 0.5, the fewer watts the more; unknown watts are NaN."""
    return 0.0 if isnan(watts) else 0.5 * half / (half + max(0.0, watts))


@compiled
def energy(span: tuple[int, int], asked: Ints, hosts: Hosts, p: Floats, shares: Floats) -> None:
    """The norms of the weigher of watts: p[1] are its middle, p[2] is how many times a host counts that must wake."""
    numbers, limits, watts = hosts
    first, last = span
    cpu, half, waking = asked[0], p[1], p[2]
    for i in range(last - first):
        row = first + i
        limit = limits[0, row]
        if numbers[6, row] == 0:
            shares[3, i] = frugality(watts[row, 11] * waking, half)
        elif limit <= 0 or isnan(watts[row, 0]):
            shares[3, i] = 0.5
        else:
            added = watts_at(watts, row, shares[0, i]) - watts_at(watts, row, numbers[3, row] / limit)
            shares[3, i] = 0.5 + frugality(added / max(1, cpu) + watts[row, 0] / limit, half)


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
            energy(span, asked, hosts, p, shares)
        elif code == CPU:
            idle(first, last, hosts, shares)
        else:
            blend(code, p, last - first, shares)
        for i in range(last - first):
            terms[w, i] = int(np.rint(p[0] * shares[3, i] * GRAIN))


@compiled
def refuse(span: tuple[int, int], lasting: Ints, asked: Ints, hosts: Hosts, bits: Ints) -> None:
    """The bits of the filters that refuse each of a span of rows: the lasting ones, and that of capacity."""
    numbers, limits, _ = hosts
    cpu, memory, disk = asked[0], asked[1], asked[2]
    own = 1 << asked[3] if asked[3] >= 0 else 0
    for i in range(span[1] - span[0]):
        row = span[0] + i
        fits = (cpu <= numbers[0, row]) & (cpu <= limits[0, row] - numbers[3, row])
        fits &= (memory <= limits[1, row] - numbers[4, row]) & (disk <= limits[2, row] - numbers[5, row])
        bits[i] = lasting[row] if fits or lasting[row] == ABSENT else lasting[row] | own
