# SPDX-License-Identifier: Apache-2.0
"""The snapshots of one vm."""

from collections.abc import Iterator

from innkeeper.models.job import Job
from innkeeper.models.shape import load, part
from innkeeper.models.snapshot import Snapshot
from innkeeper.resources.collection import is_id, missing, pages
from innkeeper.transport import Call, Transport


class Snapshots:
    """/v1/vms/{id}/snapshots"""

    def __init__(self, transport: Transport, vm_path: str):
        self._transport = transport
        self._path = f"{vm_path}/snapshots"

    def list(self) -> Iterator[Snapshot]:
        """Every snapshot, the oldest first."""
        return (load(Snapshot, item) for item in pages(self._transport, self._path, {}))

    def find(self, name_or_id: str) -> Snapshot:
        """The snapshot of that id or name; raises NotFound."""
        for snapshot in self.list():
            if name_or_id == (snapshot.id if is_id(name_or_id) else snapshot.name):
                return snapshot
        raise missing(Snapshot, name_or_id)

    def take(self, name: str, *, memory: bool | None = None) -> Job:
        """Have one taken; with the memory of a vm that runs, unless `memory` says otherwise."""
        body = {"name": name} if memory is None else {"name": name, "memory": memory}
        return load(Job, part(self._transport.json(Call("POST", self._path, json=body)), "job"))

    def revert(self, snapshot_id: str) -> Job:
        """Make the vm what it was then; what it is now is lost."""
        call = Call("POST", f"{self._path}/{snapshot_id}/revert")
        return load(Job, part(self._transport.json(call), "job"))

    def delete(self, snapshot_id: str) -> Job:
        """Keep it no longer."""
        return load(Job, part(self._transport.json(Call("DELETE", f"{self._path}/{snapshot_id}")), "job"))
