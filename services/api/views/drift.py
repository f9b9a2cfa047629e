# SPDX-License-Identifier: Apache-2.0
"""A drift as it is shown: with the vm while it lasts, and the journal's lines."""

from typing import Any

from services.api.views.moments import moment
from services.common.contracts.drift import passed, remedies
from services.common.contracts.states import VmState
from services.common.store.drifts import DriftEntry, drift_of
from services.common.store.models import Vm

JsonDict = dict[str, Any]


def drift_view(vm: Vm) -> JsonDict | None:
    """How the vm differs from what was asked for; None where it doesn't."""
    drift, state = drift_of(vm), VmState(vm.state)
    if drift is None or passed(drift.wanted, state):
        return None
    can = () if vm.job_id else remedies(drift, state)
    return {
        "wanted": drift.wanted,
        "power": drift.power,
        "since": moment(drift.since),
        "at": moment(drift.at),
        "files": drift.files,
        "job": drift.job or None,
        "can": [str(remedy) for remedy in can],
    }


def entry_view(row: DriftEntry) -> JsonDict:
    """One line of the journal."""
    data = {**row.data, "since": moment(row.data["since"])} if "since" in row.data else row.data
    return {"id": row.id, "kind": row.kind, "text": row.text, "at": moment(row.at), "data": data}
