# SPDX-License-Identifier: Apache-2.0
"""A volume as it is shown."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Call
from services.api.views.moments import moment
from services.api.views.names import names_for
from services.common.contracts.devices import serial_of
from services.common.store.models import Volume

JsonDict = dict[str, Any]
EDITABLE = ("name", "size_gib", "vm", "keep", "state")


def volume_views(call: Call, db: Session, volumes: Iterable[Volume]) -> list[JsonDict]:
    """Several volumes; the hosts' names are looked up once."""
    found = list(volumes)
    names = names_for(call, db, {volume.host_id for volume in found if volume.host_id}, set())
    return [_view(volume, names.host(volume.host_id)) for volume in found]


def tagged_volume(call: Call, db: Session, volume: Volume) -> JsonDict:
    """One volume with its ETag."""
    return volume_views(call, db, [volume])[0]


def _view(volume: Volume, host: str) -> JsonDict:
    view = {
        "id": volume.id,
        "name": volume.name,
        "project": volume.project_id,
        "state": volume.state,
        "size_gib": volume.size_gib,
        "wanted_gib": volume.wanted_gib,
        "vm": volume.vm_id,
        "keep": volume.keep,
        "serial": serial_of(volume.id),
        "host": host,
        "datastore": volume.datastore,
        "created_at": moment(volume.created_at),
        "updated_at": moment(volume.updated_at),
    }
    return {**view, "etag": etags.make(view, EDITABLE)}
