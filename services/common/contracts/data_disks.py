# SPDX-License-Identifier: Apache-2.0
"""Volumes that a vm is made with: what its job is told of them, and what they ask of the host it goes to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.common.contracts.abilities import Ability
from services.common.contracts.codec import dump, load
from services.common.contracts.datastores import Room
from services.common.contracts.flow import VOLUMES
from services.common.contracts.placement import Request

MOST = 16  # volumes of one vm: as many as every system can name


@dataclass(frozen=True)
class DataDisks:
    """New ones are made on whatever host the vm gets; those that are there already lie on `host`, and it goes there."""

    new: tuple[str, ...] = ()
    new_gib: int = 0  # of those on the host's own disk
    kept: tuple[str, ...] = ()
    host: str = ""
    datastores: Room = ()  # what the others ask of the host's datastores

    @property
    def gib(self) -> int:
        """All that the new ones add up to, wherever they lie."""
        return self.new_gib + sum(gib for _, gib in self.datastores)

    @property
    def params(self) -> dict[str, Any]:
        """The parameter of the job, none where there are no volumes."""
        return {VOLUMES: dump(self)} if self.new or self.kept else {}


NO_DISKS = DataDisks()


def data_disks(params: Mapping[str, Any]) -> DataDisks:
    """Those that a job with these parameters makes a vm with."""
    told = params.get(VOLUMES)
    return load(DataDisks, told) if told else NO_DISKS


def with_disks(request: Request, disks: DataDisks) -> Request:
    """The request with the room of the new ones, on a host that can have them and on which the others lie."""
    if disks == NO_DISKS:
        return request
    return replace(
        request,
        disk_gib=request.disk_gib + disks.new_gib,
        datastores=disks.datastores,
        host=disks.host or request.host,
        needs=tuple(dict.fromkeys((*request.needs, Ability.VOLUME_ATTACH))),
    )
