# SPDX-License-Identifier: Apache-2.0
"""The best row of each block of rows, so that the best of all come without looking at all.

A row's key orders it: its score in grains, then fewer vms; equal keys go by the rank of the host's id.
"""

import numpy as np

from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import RANK, Ints

BITS = 6
BLOCK = 1 << BITS
VMS = 1 << 24  # more vms than a host has
NEVER = -(1 << 62)  # the key of a row that can't be chosen


@compiled
def insert(row: int, key: int, found: int, best: tuple[Ints, Ints], numbers: Ints) -> int:
    """Put the row among the best, if it is one of them; how many there are then."""
    rows, keys = best
    at = found
    while at > 0 and (key > keys[at - 1] or (key == keys[at - 1] and numbers[row, RANK] < numbers[rows[at - 1], RANK])):
        at -= 1
    if at == len(rows):
        return found
    last = min(found, len(rows) - 1)
    for n in range(last, at, -1):
        rows[n], keys[n] = rows[n - 1], keys[n - 1]
    rows[at], keys[at] = row, key
    return last + 1


@compiled
def head(block: int, key: Ints, numbers: Ints) -> int:
    """The best row of a block; -1 where there is none."""
    best, best_key = -1, NEVER
    for row in range(block << BITS, (block + 1) << BITS):
        k = key[row]
        if k > best_key or (k == best_key != NEVER and numbers[row, RANK] < numbers[best, RANK]):
            best, best_key = row, k
    return best


@compiled
def place(row: int, new: int, key: Ints, heads: Ints, numbers: Ints) -> None:
    """Give the row its new key and keep its block's head, a row and its key, right."""
    old, block = key[row], row >> BITS
    key[row] = new
    best = heads[block, 0]
    if best == row:
        if new < old:
            best = head(block, key, numbers)
    elif new != NEVER and (
        best < 0 or new > key[best] or (new == key[best] and numbers[row, RANK] < numbers[best, RANK])
    ):
        best = row
    heads[block, 0], heads[block, 1] = best, NEVER if best < 0 else key[best]


@compiled
def top(key: Ints, heads: Ints, numbers: Ints, best: tuple[Ints, Ints], front: Ints) -> int:
    """Fill `best` with the best rows and their keys, best first; how many there are. `front` is as long, to work in."""
    rows, keys = best
    wanted, found = len(rows), 0
    for block in range(len(heads)):
        k = heads[block, 1]
        if k != NEVER and (found < wanted or k >= keys[wanted - 1]):
            found = insert(heads[block, 0], k, found, best, numbers)
    heads_found = found
    for n in range(heads_found):
        front[n] = rows[n]
    for n in range(heads_found):  # the best of all lie in the blocks of the best heads
        first = front[n]
        for row in range(first & -BLOCK, (first & -BLOCK) + BLOCK):
            k = key[row]
            if k != NEVER and row != first and (found < wanted or k >= keys[wanted - 1]):
                found = insert(row, k, found, best, numbers)
    return found


def heads_of(blocks: Ints, key: Ints, rank: Ints) -> Ints:
    """The heads of these blocks, by array operations."""
    keys = key.reshape(-1, BLOCK)[blocks]
    best = keys.max(axis=1)
    ranks = np.where(keys == best[:, None], rank.reshape(-1, BLOCK)[blocks], np.iinfo(np.int64).max)
    found: Ints = np.where(best == NEVER, -1, (blocks << BITS) + ranks.argmin(axis=1))
    return found


def top_plain(count: int, key: Ints, rank: Ints, heads: Ints) -> Ints:
    """The best rows, best first, by array operations."""
    blocks = _best(heads[heads >= 0], count, key, rank) >> BITS
    rows = ((blocks << BITS)[:, None] + np.arange(BLOCK)).ravel()
    return _best(rows[key[rows] != NEVER], count, key, rank)


def _best(rows: Ints, count: int, key: Ints, rank: Ints) -> Ints:
    if len(rows) > count:
        least = np.partition(key[rows], len(rows) - count)[len(rows) - count]
        rows = rows[key[rows] >= least]
    return rows[np.lexsort((rank[rows], -key[rows]))][:count]
