# SPDX-License-Identifier: Apache-2.0
"""The way of a cached decision as one piece of code that compiles: settle what changed, then note the best."""

from services.scheduler.engine.blocks import BITS, NEVER, VMS, head, place, top
from services.scheduler.engine.changes import MASK
from services.scheduler.engine.formulas import ABSENT, Ask, Hosts, refuse, weigh
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.table import VMS as VMS_AT
from services.scheduler.engine.table import Ints

# Bits of refusals and key by row, heads of blocks, counts of filters, Lasting.bits, and a desk to work on.
Cells = tuple[Ints, Ints, Ints, Ints, Ints, Ints]
Span = tuple[Ints, int, int]  # the ring of a log, and from which of its numbers to which


@compiled
def decide(note: Ints, kept: int, span: Span, cells: Cells, ask: Ask, hosts: Hosts) -> None:
    """Settle the rows that the log tells in a span of positions, then write the note.

    The note: how many hosts there are, at most `kept`, their rows, their terms, and the filters' counts.
    """
    _, key, heads, counts, _, desk = cells
    weighers, filters, at = len(ask[1]), counts.shape[1], 1 + kept
    settle(span, cells, ask, hosts)
    note[0] = top(key, heads, hosts[0], (note[1:at], desk[:kept]), desk[kept : 2 * kept])
    for n in range(note[0]):
        weigh(note[1 + n], ask, hosts, note[at + n * weighers : at + (n + 1) * weighers])
    at += kept * weighers
    for n in range(filters):
        note[at + n] = counts[0, n]
        note[at + filters + n] = counts[1, n]


@compiled
def settle(span: Span, cells: Cells, ask: Ask, hosts: Hosts) -> None:
    """Work out the rows the log tells in a span of positions."""
    refused, key, heads, counts, lasting, terms = cells
    ring, first, last = span
    for position in range(first, last):
        row = ring[position & MASK]
        bits = refuse(row, lasting[row], ask[0], hosts)
        if bits != refused[row]:
            count(refused[row], -1, counts)
            count(bits, 1, counts)
            refused[row] = bits
        new = NEVER
        if bits == 0:
            new = weigh(row, ask, hosts, terms) * VMS - ask[0][4] * hosts[0][row, VMS_AT]
        place(row, new, key, heads, hosts[0])


@compiled
def build(size: int, cells: Cells, ask: Ask, hosts: Hosts) -> None:
    """Work out every row anew."""
    refused, key, heads, counts, lasting, terms = cells
    counts[:] = 0
    refused[size:] = ABSENT
    key[:] = NEVER
    for row in range(size):
        bits = refuse(row, lasting[row], ask[0], hosts)
        count(bits, 1, counts)
        refused[row] = bits
        if bits == 0:
            key[row] = weigh(row, ask, hosts, terms) * VMS - ask[0][4] * hosts[0][row, VMS_AT]
    for block in range(len(key) >> BITS):
        best = head(block, key, hosts[0])
        heads[block, 0], heads[block, 1] = best, NEVER if best < 0 else key[best]


@compiled
def refusals(refused: Ints, lasting: Ints, asked: Ints, hosts: Hosts) -> None:
    """Fill in the bits of the filters that refuse each row."""
    for row in range(len(refused)):
        refused[row] = refuse(row, lasting[row], asked, hosts)


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
