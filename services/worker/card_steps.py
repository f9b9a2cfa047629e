# SPDX-License-Identifier: Apache-2.0
"""The steps of cards: specification and addresses say what is asked for; the host plugs it in or out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.common.contracts.cards import with_card, without_card
from services.common.contracts.codec import dump, load
from services.common.contracts.commands import Artifact, CardPlan
from services.common.contracts.deploying import nic_plan
from services.common.contracts.errors import Conflict
from services.common.contracts.journal import Done, Handler, Outcome, Park, StepContext
from services.common.contracts.network import Nic
from services.common.contracts.orders import command_for, host_of
from services.common.contracts.vm import VmSpec
from services.common.store.catalogue import AddressLease
from services.common.store.control import lease_rows
from services.common.store.database import Database
from services.common.store.network_plans import network_plans
from services.common.store.vms import Vm


class CardSteps:
    """Handlers of the flows of cards; the job's parameter `nic` is the card."""

    def __init__(self, database: Database):
        self._database = database

    def handlers(self) -> Mapping[str, Handler]:
        """Step name to handler."""
        return {
            "hold-nic": self.hold,
            "attach-nic": self.at_host,
            "detach-nic": self.at_host,
            "unplug-nic": self.at_host,
            "let-go-nic": self.let_go,
            "settle-nic": self.let_go,
        }

    def hold(self, context: StepContext) -> Outcome:
        """Specification and addresses have it, as the request left them; a job that is tried again takes them again."""
        card = _card(context)

        def write(session: Session) -> None:
            vm = _locked(session, context.vm.id)
            _respell(vm, with_card(load(VmSpec, vm.spec), card), context.now)
            _lease(session, vm.id, card)

        return Done({"mac": card.mac}, write=write)

    def at_host(self, context: StepContext) -> Outcome:
        """Plug it in or out; the seed that describes the vm without or with it comes along."""
        card, job = _card(context), context.job
        with self._database.read() as session:
            plan = nic_plan(card, network_plans(session, [card.network]), context.vm.spec.network)
        seed = None if job.undo else (job.facts.get("reseed") or {}).get("seed")
        artifact = load(Artifact, seed) if seed else None
        return Park(replace(command_for(job, host_of(job)), card=CardPlan(plan, artifact)))

    def let_go(self, context: StepContext) -> Outcome:
        """It is gone: neither specification nor addresses know it any more."""
        card = _card(context)

        def write(session: Session) -> None:
            vm = _locked(session, context.vm.id)
            _respell(vm, without_card(load(VmSpec, vm.spec), card.mac), context.now)
            mine = (AddressLease.vm_id == vm.id, AddressLease.mac == card.mac)
            session.execute(delete(AddressLease).where(*mine).execution_options(synchronize_session=False))

        return Done({"mac": card.mac}, write=write)


def _card(context: StepContext) -> Nic:
    card: Any = context.job.params["nic"]
    return load(Nic, card)


def _locked(session: Session, vm_id: str) -> Vm:
    query = select(Vm).where(Vm.id == vm_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _respell(vm: Vm, spec: VmSpec, now: float) -> None:
    vm.spec = dump(spec)
    vm.version += 1
    vm.updated_at = now


def _lease(session: Session, vm_id: str, card: Nic) -> None:
    mine = select(AddressLease.address).where(AddressLease.vm_id == vm_id, AddressLease.network_id == card.network)
    had = set(session.scalars(mine))
    try:
        with session.begin_nested():
            for row in lease_rows(vm_id, card, card.addresses):
                if row["address"] not in had:
                    session.execute(insert(AddressLease).values(**row))
    except IntegrityError as error:
        raise Conflict("an address of this card was given to another vm meanwhile; attach it anew") from error
