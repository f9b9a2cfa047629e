# SPDX-License-Identifier: Apache-2.0
"""POST /v1/vms: check everything, then write vm, addresses, job, first event and bell in the caller's transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.data_disks import NOTHING_GIVEN, Given, disk_problems, given_disks
from services.api.intents.guest_reports import can_be_heard, channel_needed, guest_secrets, token_rows
from services.api.intents.quota import within_quota
from services.api.intents.resolve import resolve
from services.api.intents.taken import leases_taken, mac_problem
from services.api.intents.world import world_for
from services.api.passwords import guest_hash
from services.common.catalog import Delivery
from services.common.contracts.codec import dump
from services.common.contracts.devices import NETWORK
from services.common.contracts.errors import Conflict, Invalid, Problem
from services.common.contracts.flow import INSTALLS
from services.common.contracts.ids import new_id
from services.common.contracts.network import NetworkPlan
from services.common.contracts.states import VmState
from services.common.contracts.vm import Secrets, VmSpec
from services.common.store.control import address_rows
from services.common.store.models import AddressLease, Job, Vm, Volume
from services.common.store.opening import Opening, opened
from services.common.store.tables import table_of, values_of
from services.common.store.together import Row, write_together

JsonDict = dict[str, Any]


def hashed(call: Call) -> dict[str, str]:
    """The users' passwords as hashes; slow on purpose, so it is done before the transaction."""
    return {user["name"]: guest_hash(user["password"]) for user in call.body["users"] if "password" in user}


@dataclass(frozen=True)
class NewVm:
    """All that is written of a vm that shall be made, by a job of this kind."""

    id: str
    spec: VmSpec
    secrets: Secrets
    kind: str
    params: JsonDict
    source: str | None = None  # the vm that it is a clone of
    linked: bool = False
    volumes: Given = NOTHING_GIVEN


def create_vm(call: Call, db: Session) -> tuple[Vm, Job]:
    """Write it all, or raise Invalid, Conflict or QuotaExceeded naming each field. Nothing is written on an error.

    Names and addresses are kept unique by the database; only when it refuses (`call.careful`), or something else is
    wrong anyway, is it asked who holds them.
    """
    vm_id = new_id()
    world = world_for(call, db, call.body)
    spec, problems = resolve(vm_id, call.body, world)
    problems += disk_problems(call.body["volumes"])
    if spec is None or problems:
        taken = name_taken(db, call) + leases_taken(db, _rough_leases(call.body, db, call))
        raise Invalid(_sentence(problems), [*problems, *taken])
    if call.careful:
        taken = name_taken(db, call) + leases_taken(db, leases_of(spec))
        if taken:
            raise Conflict(_sentence(taken), taken)
    can_be_heard(call, spec.os)
    given_macs_free(db, call)
    volumes = given_disks(call, db, vm_id, spec)
    vm_within_quota(call, db, spec, volumes.disks.gib)
    nets = {nic.network: world.nets[nic.network] for nic in spec.nics}
    spec = with_needs(call, spec, nets)
    secrets = guest_secrets(call, spec, Secrets(call.prepared or {}, call.body["first_boot"]))
    params = {**_params(call, spec, nets), **volumes.disks.params}
    return write_vm(call, db, NewVm(vm_id, spec, secrets, "vm.create", params, volumes=volumes))


def with_needs(call: Call, spec: VmSpec, nets: Mapping[str, NetworkPlan]) -> VmSpec:
    """The specification with what its host must be able to do; `nets` are the networks it is plugged into, by id."""
    networks_need = sorted({need for net in nets.values() for need in (NETWORK + net.kind, *net.needs)})
    return replace(spec, needs=(*networks_need, *channel_needed(call, spec)))


def write_vm(call: Call, db: Session, new: NewVm) -> tuple[Vm, Job]:
    """Its row, its addresses, its guest's token, and the job that makes it."""
    spec, secrets = new.spec, new.secrets
    vm = Vm(
        id=new.id,
        project_id=call.project.id,
        name=spec.name,
        state=str(VmState.PROVISIONING),
        os=spec.os,
        flavor=spec.flavor,
        spec=dump(spec),
        secrets=call.parts.keys.seal(_secret_text(secrets)) if secrets != Secrets() else "",
        host_id=None,
        job_id=None,
        source_id=new.source,
        linked=new.linked,
        fence=0,
        version=1,
        power="",
        pending=None,
        observed=None,
        seen_at=None,
        labels=dict(spec.labels),
        protect=call.body["protect"],
        created_by=call.who.id,
        created_at=call.now,
        updated_at=call.now,
        deleted_at=None,
    )
    opening = Opening(
        new.kind,
        vm.project_id,
        params=new.params,
        requested_by=call.who.id,
        trace_id=call.trace_id,
    )
    job, rows = opened(db, opening, vm)
    leases = [Row(table_of(AddressLease), row) for row in address_rows(vm.id, spec)]
    disks = [Row(table_of(Volume), values_of(volume)) for volume in new.volumes.new]
    own = [*leases, *disks, *token_rows(vm.id, secrets, call.now)]
    write_together(db, [Row(table_of(Vm), values_of(vm)), *rows, *own])
    return vm, job


def _params(call: Call, spec: VmSpec, nets: Mapping[str, NetworkPlan]) -> JsonDict:
    installs = call.parts.systems[spec.os].delivery == Delivery.INSTALLER
    return {"networks": dump(nets), **({INSTALLS: True} if installs else {})}


def _secret_text(secrets: Secrets) -> str:
    return json.dumps(dump(secrets))


def _sentence(problems: list[Problem]) -> str:
    return problems[0].detail if len(problems) == 1 else f"{len(problems)} things are wrong with this vm"


def name_taken(db: Session, call: Call) -> list[Problem]:
    """What is wrong with the name asked for: another vm of the project has it."""
    name = call.body["name"]
    query = select(Vm.id).where(Vm.project_id == call.project.id, Vm.name == name, Vm.deleted_at.is_(None))
    if db.scalar(query) is None:
        return []
    return [Problem("/name", f"a vm named {name!r} exists in this project", "choose another name, or delete that vm")]


def leases_of(spec: VmSpec) -> list[tuple[str, str, str]]:
    """(pointer, network, address) of every static address."""
    return [
        (f"{at}/addresses/{n}", nic.network, address.split("/")[0])
        for at, nic, link in spec.network.on_networks()
        for n, address in enumerate(link.addresses)
    ]


def _rough_leases(asked: JsonDict, db: Session, call: Call) -> list[tuple[str, str, str]]:
    nets = world_for(call, db, asked).nets
    return [
        (f"/networks/{i}/addresses/{n}", nets[link["network"]].id, address.split("/")[0])
        for i, link in enumerate(asked.get("networks", ()))
        if link["network"] in nets and "vlan" not in link
        for n, address in enumerate(link["addresses"])
    ]


def given_macs_free(db: Session, call: Call) -> None:
    """Raise Conflict where a MAC that was asked for is somebody's."""
    for n, link in enumerate(call.body.get("networks", ())):
        for problem in mac_problem(db, link.get("mac", ""), f"/networks/{n}/mac"):
            raise Conflict(problem.detail, [problem])


def vm_within_quota(call: Call, db: Session, spec: VmSpec, volumes_gib: int = 0) -> None:
    """Raise QuotaExceeded where the project may have no vm of these sizes more, with volumes of so much."""
    disk = spec.disk_gib + volumes_gib
    asked = {"vms": 1, "vcpus": spec.vcpus, "memory_mib": spec.memory_mib, "disk_gib": disk}
    within_quota(db, call.project, asked, "/flavor" if "flavor" in call.body else "")
