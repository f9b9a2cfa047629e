# SPDX-License-Identifier: Apache-2.0
"""The step `hold-room`: a vm that is to be larger first holds what it will need on its host, within the policy."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump, load
from services.common.contracts.errors import NoHost, StepFailed, TryAgain
from services.common.contracts.journal import Done, StepContext
from services.common.contracts.placement import HostView
from services.common.contracts.sizes import NOTHING, Sizes
from services.common.store.database import Database
from services.common.store.hosts import Claim, Host
from services.common.store.sizes import set_sizes
from services.scheduler.capacity import Amounts
from services.scheduler.claims import held
from services.scheduler.inventory import load_inventory
from services.scheduler.policy_file import Shelf
from services.scheduler.steps import request_for


@dataclass(frozen=True)
class Raise:
    """A claim as it was seen, what is to be added to it, and how much its host may hold."""

    vm: str
    had: Sizes
    more: Sizes
    host: HostView
    limits: Amounts

    def check(self) -> None:
        """Raise NoHost, which says what is free, where it doesn't fit."""
        free = Sizes(self.limits.vcpus - self.host.used_vcpus, self.limits.memory_mib - self.host.used_memory_mib)
        if self.more.less(free) != NOTHING:
            raise NoHost(
                f"the vm's host has {max(0, free.vcpus)} vcpus and {max(0, free.memory_mib)} MiB of memory free; this"
                f" needs {self.more.vcpus} vcpus and {self.more.memory_mib} MiB more"
            )

    def write(self, session: Session) -> None:
        """Hold it, by compare-and-swap; TryAgain where host or claim aren't any more as they were seen."""
        if self.more == NOTHING:
            return
        values: dict[str, Any] = {
            "used_vcpus": Host.used_vcpus + self.more.vcpus,
            "used_memory_mib": Host.used_memory_mib + self.more.memory_mib,
            "generation": Host.generation + 1,
        }
        # The limit goes with what is raised: the database itself refuses more.
        values |= {"limit_vcpus": self.limits.vcpus} if self.more.vcpus else {}
        values |= {"limit_memory_mib": self.limits.memory_mib} if self.more.memory_mib else {}
        fits = (
            Host.id == self.host.id,
            Host.vcpus == self.host.vcpus,
            Host.memory_mib == self.host.memory_mib,
            *([Host.used_vcpus + self.more.vcpus <= self.limits.vcpus] if self.more.vcpus else []),
            *([Host.used_memory_mib + self.more.memory_mib <= self.limits.memory_mib] if self.more.memory_mib else []),
        )
        raised = session.execute(update(Host).where(*fits).values(values).returning(Host.id)).first()
        mine = (Claim.vm_id == self.vm, Claim.vcpus == self.had.vcpus, Claim.memory_mib == self.had.memory_mib)
        grown = {"vcpus": Claim.vcpus + self.more.vcpus, "memory_mib": Claim.memory_mib + self.more.memory_mib}
        if raised is None or session.execute(update(Claim).where(*mine).values(grown)).rowcount != 1:  # type: ignore[attr-defined]
            raise TryAgain("others took room on the vm's host in this moment; looking again")


class Resizer:
    """Runs the step against one database with the policies on one shelf."""

    def __init__(self, database: Database, shelf: Shelf):
        self._database = database
        self._shelf = shelf

    def hold_room(self, context: StepContext) -> Done:
        """Have the claim cover what the vm has and what it is to have; NoHost where its host has no room for it."""
        params = context.job.params
        asked, before = load(Sizes, params["sizes"]), load(Sizes, params["before"])
        if Sizes(context.vm.spec.vcpus, context.vm.spec.memory_mib) not in (asked, before):
            raise StepFailed("the vm was given other sizes meanwhile; ask for the ones that you want anew")
        wanted = self._raise(context, asked)
        wanted.check()

        def write(session: Session) -> None:
            wanted.write(session)
            set_sizes(session, context.vm.id, asked, params["flavor"])

        return Done({"had": dump(wanted.had), "more": dump(wanted.more)}, write=write)

    def _raise(self, context: StepContext, asked: Sizes) -> Raise:
        vm = context.vm
        with self._database.ask() as session:
            claim = held(session, vm.id)
            if claim is None:
                raise StepFailed("the vm holds no room on any host")
            had = Sizes(claim.vcpus, claim.memory_mib)
            host = load_inventory(session, context.now, only=[claim.host_id]).host(claim.host_id)
        if host is None:
            raise StepFailed("the vm's host is not registered any more")
        policy = self._shelf.chosen(request_for(vm), vm.spec.policy)
        return Raise(vm.id, had, asked.less(had), host, policy.capacity.limits(host))
