# SPDX-License-Identifier: Apache-2.0
"""Virtual machines. Whatever changes one is a job: the answer comes at once, the work goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from innkeeper.models.drift import DriftJournal
from innkeeper.models.job import Job
from innkeeper.models.shape import load, part
from innkeeper.models.vm import Nic, Vm
from innkeeper.resources.collection import Collection, is_id, missing
from innkeeper.resources.snapshots import Snapshots
from innkeeper.transport import Call, Transport


@dataclass(frozen=True)
class Created:
    """A vm that is being made, and the job that makes it."""

    vm: Vm
    job: Job


@dataclass(frozen=True)
class Plugged:
    """A card that is being plugged in, its job, and what is left for the guest to do."""

    nic: Nic
    job: Job
    guest: str


class Vms(Collection[Vm]):
    """/v1/vms"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/vms", Vm)

    def find(self, name_or_id: str) -> Vm:
        """The vm of that id or name, with its etag; raises NotFound."""
        if is_id(name_or_id):
            return self.get(name_or_id)
        for vm in self.list(name=name_or_id):
            return self.get(vm.id)
        raise missing(Vm, name_or_id)

    def create(self, spec: Mapping[str, Any], *, idempotency_key: str = "") -> Created:
        """Ask for a vm, as API.md's POST /v1/vms describes it. The same key and spec never make a second one."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = self._transport.json(Call("POST", self._path, json=dict(spec), headers=headers))
        return Created(load(Vm, part(body, "vm")), load(Job, part(body, "job")))

    def plan(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """What create would do (host and why, addresses, predicted time), without any effect."""
        plan: Mapping[str, Any] = self._transport.json(
            Call("POST", self._path, json=dict(spec), params={"dry_run": "true"})
        )
        return plan

    def act(self, vm_id: str, action: str) -> Job:
        """Start, stop, force-stop, reboot, reset, suspend, resume or rebuild it; the job."""
        return load(Job, part(self._transport.json(Call("POST", self._at(vm_id, action))), "job"))

    def drift(self, vm_id: str) -> DriftJournal:
        """How it differs from what was asked for, if it does, and what was seen of it."""
        return load(DriftJournal, self._transport.json(Call("GET", self._at(vm_id, "drift"))))

    def settle(self, vm_id: str, remedy: str) -> Job | None:
        """Adopt, repair or forget a drift; the job, where one was sent. Raises Conflict where that makes no sense."""
        body = self._transport.json(Call("POST", f"{self._at(vm_id, 'drift')}:{remedy}"))
        return load(Job, body["job"]) if isinstance(body.get("job"), Mapping) else None

    def protect(self, vm_id: str, protect: bool = True) -> Vm:
        """Refuse to delete it, or no longer; raises Conflict's kind where somebody changes it in this moment."""
        call = Call(
            "PATCH", self._at(vm_id), json={"protect": protect}, headers={"If-Match": f'"{self.get(vm_id).etag}"'}
        )
        return load(Vm, self._transport.json(call))

    def resize(self, vm_id: str, **sizes: Any) -> Job:
        """Give it another `flavor`, or other `vcpus` and `memory_mib`; the job. See `pending` of the vm afterwards."""
        return load(Job, part(self._transport.json(Call("POST", self._at(vm_id, "resize"), json=sizes)), "job"))

    def clone(self, vm_id: str, name: str, **more: Any) -> Created:
        """Ask for a new vm with a copy of this one's disk, which must be stopped; both are, when the job is done.

        `more`: `linked`, `hostname`, `flavor`, `vcpus`, `memory_mib`, `disk_gib`, `networks`, `labels`, `protect`.
        """
        body = self._transport.json(Call("POST", self._at(vm_id, "clone"), json={"name": name, **more}))
        return Created(load(Vm, part(body, "vm")), load(Job, part(body, "job")))

    def snapshots(self, vm_id: str) -> Snapshots:
        """The vm's snapshots."""
        return Snapshots(self._transport, self._at(vm_id))

    def attach_nic(self, vm_id: str, card: Mapping[str, Any]) -> Plugged:
        """Plug a further card into it, as the API's POST /v1/vms/{vm_id}/nics takes it."""
        body = self._transport.json(Call("POST", self._at(vm_id, "nics"), json=dict(card)))
        told = str(body.get("guest", "")) if isinstance(body, Mapping) else ""
        return Plugged(load(Nic, part(body, "nic")), load(Job, part(body, "job")), told)

    def detach_nic(self, vm_id: str, mac: str) -> Job:
        """Take the card with this MAC out of it; the job."""
        call = Call("DELETE", self._at(vm_id, "nics", quote(mac, safe=":")))
        return load(Job, part(self._transport.json(call), "job"))

    def console_log(self, vm_id: str, *, job: str = "") -> str:
        """The end of its serial console now, or as it was kept when `job` broke; raises Busy for a silent host."""
        return self._transport.send(self._look(vm_id, "console-log", job)).text

    def screenshot(self, vm_id: str, *, job: str = "") -> bytes:
        """Its screen as a PNG, now or as it was kept when `job` broke; raises NotFound where it has none."""
        return self._transport.send(self._look(vm_id, "screenshot", job)).content

    def _look(self, vm_id: str, what: str, job: str) -> Call:
        return Call("GET", self._at(vm_id, what), params={"job": job} if job else {}, headers={"Accept": "*/*"})

    def delete(self, vm_id: str, *, etag: str = "", keep_volumes: bool = False) -> Job:
        """Remove it and its disks; with `etag`, only while it is what you saw (else Conflict). The job.

        Volumes that outlive it stay, detached; with `keep_volumes` all do.
        """
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        params = {"keep_volumes": "true"} if keep_volumes else {}
        call = Call("DELETE", self._at(vm_id), headers=headers, params=params)
        return load(Job, part(self._transport.json(call), "job"))
