# SPDX-License-Identifier: Apache-2.0
"""The snapshots of a vm."""

from services.api.access import Role
from services.api.handlers import snapshots
from services.api.route import Route
from services.api.schemas import snapshots as s
from services.api.schemas.pieces import Changing
from services.api.schemas.vms import VmAndJob

_AT = "/v1/vms/{vm_id}/snapshots"
_ONE = f"{_AT}/{{snapshot_id}}"
CHANGE = Changing()

SNAPSHOT_ROUTES = (
    Route("GET", _AT, snapshots.listing, Role.VIEWER, s.SNAPSHOT_PAGE, query=s.SNAPSHOT_LIST),
    Route("POST", _AT, snapshots.take, Role.MEMBER, s.SnapshotAndJob(), s.SnapshotAsked(), CHANGE, 202),
    Route("POST", f"{_ONE}/revert", snapshots.revert, Role.MEMBER, VmAndJob(), query=CHANGE, status=202),
    Route("DELETE", _ONE, snapshots.drop, Role.MEMBER, VmAndJob(), query=CHANGE, status=202),
)
