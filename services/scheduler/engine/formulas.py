# SPDX-License-Identifier: Apache-2.0
"""The rules that read claims, as code that compiles: to the last bit what the rules themselves say."""

from math import isnan

import numpy as np

from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import Floats, Ints

# Arrays go into compiled code as plain tuples: one by one they are too many, and a tuple with names costs 3 us a call.
Hosts = tuple[Ints, Ints, Floats]  # HostTable.numbers, Columns.limits, Columns.watts
Ask = tuple[Ints, Ints, Floats]  # vcpus, memory, disk and the capacity filter's bit; Plan.codes; Plan.numbers

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
def energy(row: int, asked: int, hosts: Hosts, half: float) -> float:
    """The upper half for hosts that run vms anyway, the lower for those that could sleep."""
    numbers, limits, watts = hosts
    used, limit = numbers[3, row], limits[0, row]
    if numbers[6, row] == 0:
        return frugality(watts[row, 11], half)
    if limit <= 0 or isnan(watts[row, 0]):
        return 0.5
    curve = watts[row, :11]
    added = watts_at(curve, (used + asked) / limit) - watts_at(curve, used / limit)
    return 0.5 + frugality(added / max(1, asked), half)


@compiled
def fullness(row: int, asked: Ints, hosts: Hosts, p: Floats) -> float:
    """The weighted mean of how full the resources are."""
    numbers, limits, _ = hosts
    cpu = share(numbers[3, row] + asked[0], limits[0, row])
    memory = share(numbers[4, row] + asked[1], limits[1, row])
    disk = share(numbers[5, row] + asked[2], limits[2, row])
    full: float = (p[1] * cpu + p[2] * memory + p[3] * disk) / p[4]
    return full


@compiled
def norm(code: int, p: Floats, row: int, asked: Ints, hosts: Hosts) -> float:
    """What the weigher with this code and these parameters says of a row, 0 to 1."""
    numbers, limits, watts = hosts
    if code == ENERGY:
        return energy(row, asked[0], hosts, p[1])
    if code == PACK:
        return fullness(row, asked, hosts, p)
    if code == SPREAD:
        return 1.0 - fullness(row, asked, hosts, p)
    cpu = share(numbers[3, row] + asked[0], limits[0, row])
    if code == BALANCE:
        return 1.0 - abs(cpu - share(numbers[4, row] + asked[1], limits[1, row]))
    percent = watts[row, 12]
    return 1.0 - cpu if isnan(percent) else 1.0 - min(100.0, max(0.0, percent)) / 100


@compiled
def term(n: int, row: int, ask: Ask, hosts: Hosts) -> int:
    """What the policy's weigher n adds to a row's score, in grains."""
    asked, codes, params = ask
    return int(np.rint(params[n, 0] * norm(codes[n], params[n], row, asked, hosts) * GRAIN))


@compiled
def fits(row: int, asked: Ints, hosts: Hosts) -> bool:
    """Whether the row has room for what is asked."""
    numbers, limits, _ = hosts
    within = asked[0] <= numbers[0, row]
    for n in range(3):
        within = within and asked[n] <= limits[n, row] - numbers[3 + n, row]
    return bool(within)
