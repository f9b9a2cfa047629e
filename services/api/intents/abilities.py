# SPDX-License-Identifier: Apache-2.0
"""What a vm's host can do, as its agent last told: asked before anything is written, and shown with the vm."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.abilities import LEAVES_DISK, possible
from services.common.contracts.errors import Problem, Unsupported
from services.common.contracts.masking import masked_host
from services.common.contracts.states import VmState
from services.common.store.models import Host, Vm

NAMED = 10  # hosts in one refusal, at most


def need(session: Session, vm: Vm, capability: str, verb: str, names: bool = False) -> None:
    """Raise Unsupported where the vm's host lacks what the verb needs, saying who has it.

    `names`: whether the caller may know hosts by name. A vm that was placed nowhere is left to the table of states.
    """
    host = session.get(Host, vm.host_id) if vm.host_id else None
    if host is None or capability in _abilities(host.facts):
        return
    rows = session.execute(select(Host.id, Host.name, Host.driver, Host.facts).order_by(Host.name))
    able = [row for row in rows if capability in _abilities(row.facts)]
    drivers = sorted({row.driver for row in able})
    where = f"on hosts of driver {', '.join(drivers)} it is" if drivers else "no host of this installation can"
    detail = f"vm {vm.name!r} is on a host of driver {host.driver!r}, where {verb} is not possible; {where}"
    fix = f"make the vm anew with hypervisor {drivers[0]!r}" if drivers else "leave it out"
    called = [row.name if names else masked_host(row.id) for row in able[:NAMED]]
    told: Mapping[str, Any] = {"capability": capability, "driver": host.driver, "drivers": drivers, "hosts": called}
    raise Unsupported(detail, [Problem("", f"{verb} needs the capability {capability!r}", fix)], told)


def need_anywhere(session: Session, capability: str, what: str, driver: str = "", host: str = "") -> None:
    """Raise Unsupported where there are hosts (of this driver, or this one), and none of them has the capability."""
    which = [column == value for column, value in ((Host.driver, driver), (Host.id, host)) if value]
    rows = session.execute(select(Host.driver, Host.facts).where(*which)).all()
    if not rows or any(capability in _abilities(row.facts) for row in rows):
        return
    drivers = sorted({row.driver for row in rows})
    told: Mapping[str, Any] = {"capability": capability, "driver": drivers[0], "drivers": [], "hosts": []}
    detail = f"no host of driver {', '.join(drivers)} can have {what}"
    raise Unsupported(detail, [Problem("/volumes", f"it needs the capability {capability!r}", "leave it out")], told)


def able(session: Session, vm: Vm, capability: str) -> bool:
    """Whether the vm's host can do that."""
    return capability in _abilities(session.scalar(select(Host.facts).where(Host.id == vm.host_id)))


def verbs_of(session: Session, vm: Vm, read_by_clones: bool) -> list[str]:
    """What can be done with the vm now, by its state, its protection, its linked clones and what its host can do."""
    facts = session.scalar(select(Host.facts).where(Host.id == vm.host_id)) if vm.host_id else None
    found = possible(VmState(vm.state), vm.job_id is not None, _abilities(facts))
    kept = [verb for verb in found if verb in LEAVES_DISK or not read_by_clones]
    return [verb for verb in kept if verb != "delete" or not vm.protect]


def _abilities(facts: Mapping[str, Any] | None) -> list[str]:
    return list((facts or {}).get("capabilities", []))
