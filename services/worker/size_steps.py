# SPDX-License-Identifier: Apache-2.0
"""The steps of a vm that gets other sizes, once its room is held: at its host, in the books, and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from services.common.contracts.codec import load
from services.common.contracts.journal import Done, Handler, Outcome, Park, StepContext
from services.common.contracts.orders import command_for, host_of
from services.common.contracts.sizes import Sizes, waiting
from services.common.store.sizes import lower_claim, set_pending, set_sizes


def handlers() -> Mapping[str, Handler]:
    """Step name to handler."""
    return {"resize": resize, "resize-back": resize_back, "settle-size": settle_size, "let-go-room": let_go_room}


def resize(context: StepContext) -> Outcome:
    """Have the host give it the sizes that were asked for."""
    return _told(context, "sizes")


def resize_back(context: StepContext) -> Outcome:
    """Have the host give it the sizes that it had."""
    return _told(context, "before")


def settle_size(context: StepContext) -> Outcome:
    """Write down what waits until it is off, and give back what it needs no longer."""
    asked, now = load(Sizes, context.job.params["sizes"]), _now(context, "resize")
    pending = waiting(now, asked)

    def write(session: Session) -> None:
        set_pending(session, context.vm.id, pending)
        lower_claim(session, context.vm.id, now.most(asked))

    return Done({"pending": pending}, write=write)


def let_go_room(context: StepContext) -> Outcome:
    """All as it was before; what a running guest doesn't give up again stays held until it is off."""
    params, facts = context.job.params, context.job.facts
    before = load(Sizes, params["before"])

    def write(session: Session) -> None:
        set_sizes(session, context.vm.id, before, params["flavor_before"])
        if "hold-room" not in facts:
            return
        had = load(Sizes, facts["hold-room"]["had"])
        if "resize-back" in facts:
            now = _now(context, "resize-back")
            set_pending(session, context.vm.id, waiting(now, before))
            had = had.most(now)
        lower_claim(session, context.vm.id, had)

    return Done(write=write)


def _told(context: StepContext, which: str) -> Park:
    command = command_for(context.job, host_of(context.job))
    return Park(replace(command, sizes=load(Sizes, context.job.params[which])))


def _now(context: StepContext, step: str) -> Sizes:
    told: Mapping[str, Any] = context.job.facts[step]
    return Sizes(int(told["vcpus"]), int(told["memory_mib"]))
