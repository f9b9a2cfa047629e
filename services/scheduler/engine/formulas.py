# SPDX-License-Identifier: Apache-2.0
"""The rules that read claims, as code that compiles: to the last bit what the rules themselves say."""

from math import isnan

import numpy as np

from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import USED, VMS, Floats, Ints

# Arrays go into compiled code as plain tuples: a tuple with names costs 3 us a call. Each array costs a while, too.
# HostTable.numbers, Columns.limits, Columns.watts; by row, the terms of weighers that have no formula here.
Hosts = tuple[Ints, Ints, Floats, Ints]
Ask = tuple[Ints, Floats]  # vcpus, memory, disk, the capacity filter's bit, whether ties go by vms, codes; Plan.numbers

GIVEN, PACK, SPREAD, BALANCE, CPU, ENERGY = range(6)
CODES = 5  # where in what is asked the weighers' codes begin
PARAMETERS = 4
ABSENT = 1 << 62  # the bit of a row without a host
GRAIN = 2.0**20  # terms are whole multiples of 1/GRAIN
FULL, LOAD = 11, 12  # where in a row of watts, behind the curve, watts per vcpu and the CPU load in percent stand


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
def energy(row: int, cpu: int, full: float, hosts: Hosts, scale: tuple[float, float]) -> float:
    """The norm of the weigher of watts; `scale`: its middle, and how many times a host counts that must wake."""
    numbers, limits, watts, _ = hosts
    half, waking = scale
    limit = limits[row, 0]
    if numbers[row, VMS] == 0:
        return frugality(watts[row, FULL] * waking, half)
    if limit <= 0 or isnan(watts[row, 0]):
        return 0.5
    added = watts_at(watts, row, full) - watts_at(watts, row, numbers[row, USED] / limit)
    return 0.5 + frugality(added / max(1, cpu) + watts[row, 0] / limit, half)


@compiled
def idle(percent: float, full: float) -> float:
    """The norm of the weigher that prefers processors idle now; where that isn't told, what claims leave."""
    return 1.0 - full if isnan(percent) else 1.0 - min(100.0, max(0.0, percent)) / 100


@compiled
def weigh(row: int, ask: Ask, hosts: Hosts, terms: Ints) -> int:
    """What the row is worth in grains, and what each weigher adds to it."""
    asked, p = ask
    numbers, limits, watts, given = hosts
    cpu = share(numbers[row, 3] + asked[0], limits[row, 0])
    memory = share(numbers[row, 4] + asked[1], limits[row, 1])
    disk = share(numbers[row, 5] + asked[2], limits[row, 2])
    total = 0
    for w in range(len(p)):
        code = asked[CODES + w]
        if code == GIVEN:
            terms[w] = given[int(p[w, 1]), row]
            total += terms[w]
            continue
        if code == ENERGY:
            norm = energy(row, asked[0], cpu, hosts, (p[w, 1], p[w, 2]))
        elif code == CPU:
            norm = idle(watts[row, LOAD], cpu)
        elif code == BALANCE:
            norm = 1.0 - abs(cpu - memory)
        else:
            norm = (p[w, 1] * cpu + p[w, 2] * memory + p[w, 3] * disk) / p[w, 4]
            if code == SPREAD:
                norm = 1.0 - norm
        term = int(np.rint(p[w, 0] * norm * GRAIN))
        terms[w] = term
        total += term
    return total


@compiled
def fits(row: int, asked: Ints, hosts: Hosts) -> bool:
    """Whether the row has room for what is asked."""
    numbers, limits, _, _ = hosts
    if asked[0] > numbers[row, 0] or asked[0] > limits[row, 0] - numbers[row, 3]:
        return False
    return bool(asked[1] <= limits[row, 1] - numbers[row, 4] and asked[2] <= limits[row, 2] - numbers[row, 5])


@compiled
def refuse(row: int, lasting: int, asked: Ints, hosts: Hosts) -> int:
    """The bits of the filters that refuse the row: the lasting ones, and that of capacity."""
    own: int = 0 if fits(row, asked, hosts) or lasting == ABSENT or asked[3] < 0 else 1 << asked[3]
    return lasting | own
