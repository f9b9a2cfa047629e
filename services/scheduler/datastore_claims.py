# SPDX-License-Identifier: Apache-2.0
"""Room on a host's datastores, held by compare-and-swap with the claim of the vm that is made with volumes there."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from services.common.contracts.datastores import Room
from services.common.store.datastores import take_on_datastore
from services.common.store.giving_back import give_up_claim
from services.common.store.hosts import Claim


def hold_on_datastores(session: Session, vm_id: str, host_id: str, wanted: Room) -> bool:
    """Have the vm's claim, made in this very transaction, hold this too; False (and the claim given up) if it can't."""
    taken = {name: gib for name, gib in wanted if take_on_datastore(session, host_id, name, gib)}
    mine = update(Claim).where(Claim.vm_id == vm_id).values(datastores=taken)
    session.execute(mine.execution_options(synchronize_session=False))
    if len(taken) == len(wanted):
        return True
    give_up_claim(session, vm_id)
    return False
