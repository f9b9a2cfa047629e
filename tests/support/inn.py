# SPDX-License-Identifier: Apache-2.0
"""A small installation in a real database: hosts, vms and their jobs, for tests of what changes them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from services.common.contracts.codec import dump
from services.common.contracts.ids import new_id
from services.common.contracts.vm import VmSpec
from services.common.store.database import Database
from services.common.store.hosts import Claim, Host
from services.common.store.jobs import Job
from services.common.store.opening import Opening, open_job
from services.common.store.projects import Project
from services.common.store.vms import Vm

NOW = 1_800_000_000.0


# What a host can do that nobody says otherwise of: take every system and network of these tests.
ABLE = ("disk-image", "direct-kernel", "guest-channel", "network-nat", "network-isolated", "network-bridge")


@dataclass(frozen=True)
class Inn:
    """Adds to one database, and reads its books."""

    database: Database

    def add_host(self, name: str, **changes: Any) -> str:
        """A host that is up, with 4 vcpus, 8 GiB and 100 GiB unless told otherwise; its id."""
        values: dict[str, Any] = {"state": "up", "vcpus": 4, "memory_mib": 8192, "disk_gib": 100, "heartbeat_at": NOW}
        values |= {"created_at": NOW, "updated_at": NOW, "facts": {"capabilities": list(ABLE)}}
        with self.database.write() as session:
            host = Host(id=f"id-{name}", name=name, driver="fake", **values | changes)
            session.add(host)
            return host.id

    def change_host(self, host_id: str, **changes: Any) -> None:
        """Set columns of a host."""
        with self.database.write() as session:
            host = session.get_one(Host, host_id)
            for name, value in changes.items():
                setattr(host, name, value)

    def add_vm(self, name: str, **spec: Any) -> tuple[str, str]:
        """A vm asked for by the default project, with its create job due; (vm id, job id)."""
        values: dict[str, Any] = {"vcpus": 1, "memory_mib": 256, "disk_gib": 1, "nics": (), **spec}
        wish = VmSpec(name, name, "mini", **values)
        with self.database.write() as session:
            project = session.scalars(select(Project.id)).first()
            stamps = {"created_at": NOW, "updated_at": NOW}
            vm = Vm(id=new_id(), project_id=project, name=name, state="provisioning", os="mini", flavor="", **stamps)
            vm.spec = dump(wish)
            session.add(vm)
            session.flush()
            job = open_job(session, Opening("vm.create", vm.project_id), vm)
            return vm.id, job.id

    def used(self) -> dict[str, tuple[int, int, int]]:
        """What each host says is claimed of it, by id."""
        with self.database.read() as session:
            rows = session.scalars(select(Host))
            return {h.id: (h.used_vcpus, h.used_memory_mib, h.used_disk_gib) for h in rows}

    def claimed(self) -> dict[str, tuple[int, int, int]]:
        """What the claims on each host add up to; hosts without claims are left out."""
        sums: dict[str, Counter[str]] = {}
        with self.database.read() as session:
            for c in session.scalars(select(Claim)):
                amounts = {"vcpus": c.vcpus, "memory": c.memory_mib, "disk": c.disk_gib}
                sums.setdefault(c.host_id, Counter()).update(amounts)
        return {host: (s["vcpus"], s["memory"], s["disk"]) for host, s in sums.items()}

    def vm(self, vm_id: str) -> Vm:
        """The vm's row."""
        with self.database.read() as session:
            return session.get_one(Vm, vm_id)

    def job(self, job_id: str) -> Job:
        """The job's row."""
        with self.database.read() as session:
            return session.get_one(Job, job_id)
