# SPDX-License-Identifier: Apache-2.0
"""Virtual machines. Whatever changes one is a job: the answer comes at once, the work goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from innkeeper.models.job import Job
from innkeeper.models.shape import load
from innkeeper.models.vm import Vm
from innkeeper.resources.collection import Collection
from innkeeper.transport import Call, Transport

ACTIONS = ("start", "stop", "force-stop", "reboot")


@dataclass(frozen=True)
class Created:
    """A vm that is being made, and the job that makes it."""

    vm: Vm
    job: Job


class Vms(Collection[Vm]):
    """/v1/vms"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/vms", Vm)

    def create(self, spec: Mapping[str, Any], *, idempotency_key: str = "") -> Created:
        """Ask for a vm, as API.md's POST /v1/vms describes it. The same key and spec never make a second one."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = self._transport.json(Call("POST", self._path, json=dict(spec), headers=headers))
        return Created(load(Vm, body.get("vm")), load(Job, body.get("job")))

    def plan(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """What create would do (host and why, addresses, predicted time), without any effect."""
        plan: Mapping[str, Any] = self._transport.json(
            Call("POST", self._path, json=dict(spec), params={"dry_run": "true"})
        )
        return plan

    def act(self, vm_id: str, action: str) -> Job:
        """Start, stop, force-stop or reboot it; the job."""
        return _job(self._transport.json(Call("POST", self._at(vm_id, action))))

    def delete(self, vm_id: str, *, etag: str = "") -> Job:
        """Remove it and its disks; with `etag`, only while it is what you saw (else Conflict). The job."""
        headers = {"If-Match": etag} if etag else {}
        return _job(self._transport.json(Call("DELETE", self._at(vm_id), headers=headers)))


def _job(body: Any) -> Job:
    """A 202 carries the job, alone or beside its vm."""
    return load(Job, body["job"] if isinstance(body, Mapping) and isinstance(body.get("job"), Mapping) else body)
