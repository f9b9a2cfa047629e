# SPDX-License-Identifier: Apache-2.0
"""Verbs of a vm's life that not every hypervisor has."""

from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers.vms import locked, opened
from services.api.intents.abilities import need
from services.common.contracts.abilities import NEEDS


def reset(call: Call, db: Session) -> Answer:
    """Press the reset button; the guest is not asked."""
    return _verb(call, db, "reset")


def suspend(call: Call, db: Session) -> Answer:
    """Let it stand still, its memory kept."""
    return _verb(call, db, "suspend")


def resume(call: Call, db: Session) -> Answer:
    """Let it go on where it stood still."""
    return _verb(call, db, "resume")


def _verb(call: Call, db: Session, verb: str) -> Answer:
    vm = locked(call, db)
    need(db, vm, NEEDS[verb], verb, call.admin)
    return opened(call, db, vm, f"vm.{verb}")
