# SPDX-License-Identifier: Apache-2.0
"""Volumes. What is done to one that a vm has is a job of that vm."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.job import Job
from innkeeper.models.shape import load, part
from innkeeper.models.volume import Volume
from innkeeper.resources.collection import Collection, is_id, missing
from innkeeper.transport import Call, Transport


class Volumes(Collection[Volume]):
    """/v1/volumes, and those of vms"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/volumes", Volume)

    def find(self, name_or_id: str) -> Volume:
        """The volume of that id or name; raises NotFound."""
        if is_id(name_or_id):
            return self.get(name_or_id)
        for volume in self.list(name=name_or_id):
            return volume
        raise missing(Volume, name_or_id)

    def create(self, vm_id: str, size_gib: int, *, name: str = "", keep: bool = False, datastore: str = "") -> Job:
        """Make a volume, on a datastore of the vm's host or on its own disk, and plug it into the vm; the job."""
        told = {key: value for key, value in (("name", name), ("datastore", datastore)) if value}
        return self._attach(vm_id, {"size_gib": size_gib, "keep": keep, **told})

    def attach(self, vm_id: str, volume: str, *, keep: bool = True) -> Job:
        """Plug a detached volume (by name or id) into the vm; the job. Unless `keep`, it goes when its vm does."""
        return self._attach(vm_id, {"volume": volume, "keep": keep})

    def grow(self, volume: Volume, size_gib: int) -> Job:
        """Make it larger; the job."""
        return self._job(Call("POST", f"{_of(volume)}/grow", json={"size_gib": size_gib}))

    def detach(self, volume: Volume) -> Job:
        """Take it off its vm and keep it; the job."""
        return self._job(Call("DELETE", _of(volume), params={"keep": "true"}))

    def delete(self, volume: Volume) -> Job:
        """Remove it with all that is on it, off its vm first where one has it; the job."""
        return self._job(Call("DELETE", _of(volume) if volume.vm else self._at(volume.id)))

    def _attach(self, vm_id: str, body: Mapping[str, Any]) -> Job:
        return self._job(Call("POST", f"/v1/vms/{vm_id}/volumes", json=dict(body)))

    def _job(self, call: Call) -> Job:
        return load(Job, part(self._transport.json(call), "job"))


def _of(volume: Volume) -> str:
    return f"/v1/vms/{volume.vm}/volumes/{volume.id}"
