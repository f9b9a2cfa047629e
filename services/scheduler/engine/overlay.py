# SPDX-License-Identifier: Apache-2.0
"""What filters and weighers without compiled code say of all rows, laid over what is kept: asked anew for each request.

So are decided the policies in which a claim on one host may change what another is worth.
"""

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.formulas import GIVEN, GRAIN
from services.scheduler.engine.lasting import Lasting, barred_by
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.scan import Rows
from services.scheduler.engine.spare import Spare
from services.scheduler.engine.table import HostTable, Ints
from services.scheduler.filters.headroom import HeadroomFilter


def overlaid(request: Request, table: HostTable, lasting: Lasting, spare: Spare) -> Rows:
    """All that a scan has to know of the rows."""
    lasting.fresh()
    plan = spare.plan
    every = np.flatnonzero(table.present)
    bits = lasting.bits.copy()
    for bit, rule in plan.changing:
        if isinstance(rule, HeadroomFilter) and rule.state in plan.policy.filters:
            spare.refuse((rule, bit), request, lasting, bits)
        elif bit != plan.capacity_bit:
            bits[every] |= np.where(rule.passes(request, table, every), 0, 1 << bit)
    given = _given(request, table, plan, every)
    return Rows(bits == 0, barred_by(bits), given, given.sum(axis=0).astype(np.float32))


def _given(request: Request, table: HostTable, plan: Plan, every: Ints) -> Ints:
    weighers = [w for w, code in zip(plan.policy.weighers, plan.codes, strict=True) if code == GIVEN]
    given: Ints = np.zeros((max(1, len(weighers)), len(table.present)), np.int64)
    for n, weighted in enumerate(weighers):
        norms = weighted.weigher.norms(request, table, every)
        given[n, every] = np.rint(weighted.multiplier * norms * GRAIN).astype(np.int64)
    return given
