# SPDX-License-Identifier: Apache-2.0
"""The way of a cached decision as one piece of code that compiles: settle what changed, then note the best."""

import numpy as np

from services.scheduler.engine.blocks import BITS, BLOCK, NEVER, VMS, head, place, top
from services.scheduler.engine.changes import MASK
from services.scheduler.engine.formulas import ABSENT, Ask, Hosts, refuse, weigh
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import Floats, Ints

# Bits of refusals and key by row, heads of blocks, counts of filters, Lasting.bits, HostTable.rank, the log's ring.
Cells = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]
# Room for a block's shares and norms, for its terms, when each row was settled last, and for the refusals of a row.
Desk = tuple[Floats, Ints, Ints, Ints]


def desk(weighers: int, rows: int) -> Desk:
    """Room to work in."""
    return np.empty((4, BLOCK)), np.empty((weighers, BLOCK), np.int64), np.zeros(rows, np.int64), np.empty(1, np.int64)


@compiled
def decide(note: Ints, cells: Cells, ask: Ask, hosts: Hosts, desk: Desk) -> None:
    """Settle the rows that the log tells in a span of positions, then write the note.

    Before: how many hosts are wanted, the span, and a number no decision had before.
    After: how many hosts there are, their rows, their terms, and the filters' counts.
    """
    kept = note[0]
    settle((note[1], note[2], note[3]), cells, ask, hosts, desk)
    _, key, heads, counts, _, rank, _ = cells
    shares, terms, _, _ = desk
    weighers, filters = len(ask[1]), counts.shape[1]
    found = top(key, rank, heads, note[1 : 1 + kept])
    note[0] = found
    at = 1 + kept
    for n in range(found):
        weigh((note[1 + n], note[1 + n] + 1), ask, hosts, shares, terms)
        for w in range(weighers):
            note[at + n * weighers + w] = terms[w, 0]
    at += kept * weighers
    for n in range(filters):
        note[at + n] = counts[0, n]
        note[at + filters + n] = counts[1, n]


@compiled
def settle(span: tuple[int, int, int], cells: Cells, ask: Ask, hosts: Hosts, desk: Desk) -> None:
    """Work out the rows the log tells in a span of positions, each once."""
    refused, key, heads, counts, lasting, rank, ring = cells
    shares, terms, seen, blocked = desk
    ties, vms = ask[0][4], hosts[0][6]
    for position in range(span[0], span[1]):
        row = ring[position & MASK]
        if seen[row] == span[2]:
            continue
        seen[row] = span[2]
        refuse((row, row + 1), lasting, ask[0], hosts, blocked)
        bits = blocked[0]
        if bits != refused[row]:
            count(refused[row], -1, counts)
            count(bits, 1, counts)
            refused[row] = bits
        new = NEVER
        if bits == 0:
            weigh((row, row + 1), ask, hosts, shares, terms)
            new = terms[:, 0].sum() * VMS - ties * vms[row]
        place(row, new, key, rank, heads)


@compiled
def build(size: int, cells: Cells, ask: Ask, hosts: Hosts, desk: Desk) -> None:
    """Work out every row anew."""
    refused, key, heads, counts, lasting, rank, _ = cells
    shares, terms, _, _ = desk
    ties, vms = ask[0][4], hosts[0][6]
    counts[:] = 0
    refuse((0, size), lasting, ask[0], hosts, refused)
    for row in range(size):
        count(refused[row], 1, counts)
    refused[size:] = ABSENT
    key[size:] = NEVER
    heads[:] = -1
    for first in range(0, size, BLOCK):
        last = min(size, first + BLOCK)
        weigh((first, last), ask, hosts, shares, terms)
        for w in range(1, len(terms)):
            for i in range(last - first):
                terms[0, i] += terms[w, i]
        for i in range(last - first):
            key[first + i] = NEVER if refused[first + i] else terms[0, i] * VMS - ties * vms[first + i]
        heads[first >> BITS] = head(first >> BITS, key, rank, -1)


@compiled
def count(bits: int, by: int, counts: Ints) -> None:
    """Add `by` to the filter that refuses first, and to the one that refuses alone."""
    if bits == 0 or bits == ABSENT:
        return
    first = 0
    while not (bits >> first) & 1:
        first += 1
    counts[0, first] += by
    if bits == 1 << first:
        counts[1, first] += by
