# SPDX-License-Identifier: Apache-2.0
"""The best row of each block of rows, so that the best of all come without looking at all.

A row's key orders it: its score in grains, then fewer vms; equal keys go by the rank of the host's id.
"""

import numpy as np

from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import Ints

BITS = 6
BLOCK = 1 << BITS
VMS = 1 << 24  # more vms than a host has
NEVER = -(1 << 62)  # the key of a row that can't be chosen


@compiled
def head(block: int, key: Ints, rank: Ints, below: int) -> int:
    """The best row of a block of those that come after row `below` (-1: of all); -1 where there is none."""
    best, best_key = -1, NEVER
    for row in range(block << BITS, min(len(key), (block + 1) << BITS)):
        k = key[row]
        if k < best_key or k == NEVER or (k == best_key and rank[row] > rank[best]):
            continue
        if below >= 0 and (k > key[below] or (k == key[below] and rank[row] <= rank[below])):
            continue
        best, best_key = row, k
    return best


@compiled
def place(row: int, new: int, key: Ints, rank: Ints, heads: Ints) -> None:
    """Give the row its new key and keep its block's head right."""
    old, block = key[row], row >> BITS
    key[row] = new
    best = heads[block]
    if best == row:
        if new < old:
            heads[block] = head(block, key, rank, -1)
    elif new != NEVER and (best < 0 or new > key[best] or (new == key[best] and rank[row] < rank[best])):
        heads[block] = row


@compiled
def top(key: Ints, rank: Ints, heads: Ints, rows: Ints) -> int:
    """Fill `rows` with the best rows, best first; how many there are."""
    front = heads.copy()
    keys = np.empty(len(front), np.int64)
    for block in range(len(front)):
        keys[block] = NEVER if front[block] < 0 else key[front[block]]
    for found in range(len(rows)):
        best = 0
        for block in range(1, len(front)):
            k, most = keys[block], keys[best]
            if k > most or (k == most != NEVER and rank[front[block]] < rank[front[best]]):
                best = block
        if keys[best] == NEVER:
            return found
        rows[found] = front[best]
        front[best] = head(best, key, rank, front[best])
        keys[best] = NEVER if front[best] < 0 else key[front[best]]
    return len(rows)


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
