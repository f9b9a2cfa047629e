# SPDX-License-Identifier: Apache-2.0
"""A snapshot as it is shown."""

from typing import Any

from services.api.views.moments import moment
from services.common.store.models import Snapshot


def snapshot_view(row: Snapshot) -> dict[str, Any]:
    """Everything about a snapshot."""
    return {
        "id": row.id,
        "vm": row.vm_id,
        "name": row.name,
        "parent": row.parent_id,
        "current": row.current,
        "state": "available" if row.taken_at else "taking",
        "memory": row.memory,
        "vcpus": row.vcpus,
        "memory_mib": row.memory_mib,
        "created_at": moment(row.created_at),
    }
