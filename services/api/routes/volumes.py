# SPDX-License-Identifier: Apache-2.0
"""The routes of volumes: those of a vm, and those that lie by themselves."""

from services.api.access import Role
from services.api.handlers import volumes
from services.api.route import Route
from services.api.schemas import volumes as s
from services.api.schemas.pieces import Changing, Reading

VIEWER, MEMBER = Role.VIEWER, Role.MEMBER
READ, CHANGE = Reading(), Changing()
_OF_VM = "/v1/vms/{vm_id}/volumes"
_ONE = f"{_OF_VM}/{{volume_id}}"

VOLUME_ROUTES = (
    Route("GET", "/v1/volumes", volumes.listing, VIEWER, s.VOLUME_PAGE, query=s.VOLUME_LIST),
    Route("GET", "/v1/volumes/{volume_id}", volumes.get, VIEWER, s.VolumeShape(), query=READ),
    Route("DELETE", "/v1/volumes/{volume_id}", volumes.delete, MEMBER, s.VolumeAndJob(), query=CHANGE, status=202),
    Route("GET", _OF_VM, volumes.of_vm, VIEWER, s.VOLUME_PAGE, query=READ),
    Route("POST", _OF_VM, volumes.attach, MEMBER, s.VolumeAndJob(), s.VolumeAsked(), CHANGE, 202),
    Route("POST", f"{_ONE}/grow", volumes.grow, MEMBER, s.VolumeAndJob(), s.VolumeGrown(), CHANGE, 202),
    Route("DELETE", _ONE, volumes.detach, MEMBER, s.VolumeAndJob(), query=s.Detaching(), status=202),
)
