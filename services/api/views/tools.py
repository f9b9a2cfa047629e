# SPDX-License-Identifier: Apache-2.0
"""What the hypervisor's own program in a guest says, as it is shown beside the guest's own report."""

from typing import Any

from sqlalchemy.orm import Session

from services.api.views.moments import moment
from services.common.store.guest_tools import GuestTools, disagreements_of
from services.common.store.vms import Vm


def tools_view(db: Session, vm: Vm) -> dict[str, Any] | None:
    """None where nothing was ever told."""
    row = db.get(GuestTools, vm.id)
    if row is None:
        return None
    return {
        "running": row.facts["running"],
        "hostname": row.facts["hostname"],
        "os": row.facts["os"],
        "interfaces": row.facts["links"],
        "mismatches": disagreements_of(db, vm, row),
        "since": moment(row.since),
        "at": moment(row.at),
    }
