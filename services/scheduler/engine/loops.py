# SPDX-License-Identifier: Apache-2.0
"""The way of a cached decision as one piece of code that compiles: settle what changed, then note the best."""

from services.scheduler.engine.blocks import BITS, NEVER, VMS, head, place, top
from services.scheduler.engine.changes import MASK
from services.scheduler.engine.formulas import Ask, Hosts, fits, term
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.lasting import ABSENT
from services.scheduler.engine.table import Ints

# Bits of refusals and key by row, heads of blocks, counts of filters, Lasting.bits, HostTable.rank, the log's ring.
Cells = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]


@compiled
def decide(span: tuple[int, int], cells: Cells, ask: Ask, hosts: Hosts, note: Ints) -> None:
    """Settle the rows that the log tells in a span of positions, then write the note.

    A note has how many rows are told (before: how many are wanted), the best rows, their terms, and the counts.
    """
    refused, key, heads, counts, lasting, rank, ring = cells
    for position in range(span[0], span[1]):
        row = ring[position & MASK]
        bits = refusals(row, lasting[row], ask, hosts)
        if bits != refused[row]:
            count(refused[row], -1, counts)
            count(bits, 1, counts)
            refused[row] = bits
        place(row, NEVER if bits else worth(row, ask, hosts), key, rank, heads)
    kept, terms, filters = note[0], len(ask[1]), counts.shape[1]
    found = top(key, rank, heads, note[1 : 1 + kept])
    note[0] = found
    at = 1 + kept
    for n in range(found):
        for w in range(terms):
            note[at + n * terms + w] = term(w, note[1 + n], ask, hosts)
    at += kept * terms
    for n in range(filters):
        note[at + n] = counts[0, n]
        note[at + filters + n] = counts[1, n]


@compiled
def build(size: int, cells: Cells, ask: Ask, hosts: Hosts) -> None:
    """Work out every row anew."""
    refused, key, heads, counts, lasting, rank, _ = cells
    counts[:] = 0
    for row in range(size):
        bits = refusals(row, lasting[row], ask, hosts)
        count(bits, 1, counts)
        refused[row] = bits
        key[row] = NEVER if bits else worth(row, ask, hosts)
    refused[size:] = ABSENT
    key[size:] = NEVER
    for block in range(len(heads)):
        heads[block] = -1 if (block << BITS) >= size else head(block, key, rank, -1)


@compiled
def refusals(row: int, lasting: int, ask: Ask, hosts: Hosts) -> int:
    """The bits of the filters that refuse the row."""
    bit = ask[0][3]
    if lasting == ABSENT or bit < 0 or fits(row, ask[0], hosts):
        return lasting
    return int(lasting | (1 << bit))


@compiled
def worth(row: int, ask: Ask, hosts: Hosts) -> int:
    """The key of a row that nothing refuses."""
    score = 0
    for n in range(len(ask[1])):
        score += term(n, row, ask, hosts)
    return int(score * VMS - hosts[0][6, row])


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
