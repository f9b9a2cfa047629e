# SPDX-License-Identifier: Apache-2.0
"""What to do about vms that came to be other than they were asked to be."""

from services.api.access import Role
from services.api.handlers import drift
from services.api.route import Route
from services.api.schemas.drift import DriftJournal
from services.api.schemas.pieces import Changing, Reading
from services.api.schemas.vms import VmAndJob, VmShape

_AT = "/v1/vms/{vm_id}/drift"

DRIFT_ROUTES = (
    Route("GET", _AT, drift.get, Role.VIEWER, DriftJournal(), query=Reading()),
    Route("POST", f"{_AT}:adopt", drift.adopt, Role.MEMBER, VmShape(), query=Changing()),
    Route("POST", f"{_AT}:repair", drift.repair, Role.MEMBER, VmAndJob(), query=Changing(), status=202),
    Route("POST", f"{_AT}:forget", drift.forget, Role.MEMBER, VmAndJob(), query=Changing(), status=202),
)
