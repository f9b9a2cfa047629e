# SPDX-License-Identifier: Apache-2.0
"""Rows of hosts, vms and claims, for tests that need them without a platform around."""

import time
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump
from services.common.contracts.ids import new_id
from services.common.contracts.states import HostState, VmState
from services.common.contracts.vm import VmSpec
from services.common.store.models import Claim, Host, Project, Vm
from tests.support.inn import ABLE


def add_host(session: Session, name: str = "", **values: Any) -> str:
    """A fake host that is up and was heard just now; its id."""
    host_id, now = new_id(), time.time()
    given = {"vcpus": 16, "memory_mib": 65536, "disk_gib": 500, "heartbeat_at": now, "state": str(HostState.UP)}
    given |= {"facts": {"capabilities": list(ABLE)}}
    row = {"name": name or f"h-{host_id}", "driver": "fake", "created_at": now, "updated_at": now, **given, **values}
    session.add(Host(id=host_id, **row))
    session.flush()
    return host_id


def add_vm(session: Session, host_id: str, vcpus: int = 1, power: str = "on", **values: Any) -> str:
    """A vm on that host with its claim; its id."""
    vm_id, now = new_id(), time.time()
    name = f"vm-{vm_id}"
    spec = dump(VmSpec(name, name, "mini", vcpus, 256, 1, ()))
    project = session.scalars(select(Project.id).order_by(Project.created_at).limit(1)).one()
    given = {"project_id": project, "state": str(VmState.READY), "os": "mini", "flavor": "tiny", "spec": spec}
    stamps = {"created_at": now, "updated_at": now}
    session.add(Vm(id=vm_id, name=name, host_id=host_id, power=power, **{**given, **stamps, **values}))
    session.flush()
    sizes = {"vcpus": vcpus, "memory_mib": 256, "disk_gib": 1}
    used = {f"used_{key}": getattr(Host, f"used_{key}") + amount for key, amount in sizes.items()}
    session.execute(update(Host).where(Host.id == host_id).values(**used))
    session.add(Claim(vm_id=vm_id, job_id=new_id(), host_id=host_id, created_at=now, labels={}, **sizes))
    session.flush()
    return vm_id
