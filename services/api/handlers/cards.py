# SPDX-License-Identifier: Apache-2.0
"""Cards of a vm: plugged in and taken out, running or not; MAC and addresses are booked with them."""

from typing import Any

from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers import vms
from services.api.intents.abilities import need
from services.api.intents.cards import card_to_take_out, guest_s_part, new_card
from services.api.paging import chosen
from services.api.views.jobs import tagged as tagged_job
from services.api.views.vms import tagged
from services.common.contracts.abilities import Ability
from services.common.contracts.codec import dump, load
from services.common.contracts.network import Nic
from services.common.contracts.states import RUNNING_VM
from services.common.contracts.vm import VmSpec
from services.common.store.control import lease_rows
from services.common.store.models import AddressLease, Vm
from services.common.store.opening import Opening, open_job

JsonDict = dict[str, Any]


def of_vm(call: Call, db: Session) -> JsonDict:
    """The cards of one vm, as asked for."""
    found = tagged(call, db, vms.find(call, db))["nics"]
    return {"items": [chosen(nic, call.query.get("fields")) for nic in found], "next": None}


def attach(call: Call, db: Session) -> Answer:
    """Plug a card into the vm; the answer says what is left for its guest to do."""
    vm = vms.locked(call, db)
    _needs(call, db, vm, "attach-nic")
    spec, card = new_card(call, db, vm)
    vm.spec = dump(spec)
    for row in lease_rows(vm.id, card, card.addresses):
        db.add(AddressLease(**row))
    db.flush()
    system = call.parts.systems.get(vm.os)
    told = guest_s_part(card, vm.state in RUNNING_VM, str(system.delivery) if system else "")
    return _opened(call, db, "vm.attach-nic", vm, card, {"guest": told})


def detach(call: Call, db: Session) -> Answer:
    """Take a card out of the vm; its addresses are free again once it is out."""
    vm = vms.locked(call, db)
    card = card_to_take_out(load(VmSpec, vm.spec), call.path["mac"], vm.name)
    _needs(call, db, vm, "detach-nic")
    return _opened(call, db, "vm.detach-nic", vm, card, {})


def _needs(call: Call, db: Session, vm: Vm, verb: str) -> None:
    need(db, vm, Ability.NIC_ATTACH, verb, call.admin)
    if vm.state in RUNNING_VM:
        need(db, vm, Ability.NIC_HOT, f"{verb} of a running vm", call.admin)


def _opened(call: Call, db: Session, kind: str, vm: Vm, card: Nic, told: JsonDict) -> Answer:
    params = {"nic": dump(card), **({"without": card.mac} if kind == "vm.detach-nic" else {})}
    opening = Opening(kind, vm.project_id, params=params, requested_by=call.who.id, trace_id=call.trace_id)
    job = open_job(db, opening, vm)
    db.flush()
    view = tagged(call, db, vm)
    shown = next(nic for nic in view["nics"] if nic["mac"] == card.mac)
    body = {"nic": shown, "vm": view, "job": tagged_job(call, db, job), **told}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"})
