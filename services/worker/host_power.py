# SPDX-License-Identifier: Apache-2.0
"""The steps that put an empty host to sleep and wake it again. Every change of its state is a compare-and-swap."""

import time
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.commands import Command, Verb
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.ids import derived_id
from services.common.contracts.journal import Done, Handler, JobView, Outcome, Park, StepContext
from services.common.contracts.states import HostState
from services.common.contracts.waking import ways_of
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.host_states import move_host
from services.common.store.hosts import Host, Installation
from services.worker.calling import Caller, Sleeper
from services.worker.metrics import HOST_SLEEPS, HOST_WAKES

log = get_logger(__name__)
SPOKE_S = 20.0  # a host that was heard within this is awake


class HostPower:
    """Handlers of the flows host.sleep and host.wake; the job's parameter `host` says which."""

    def __init__(self, database: Database, caller: Caller):
        self._database = database
        self._caller = caller

    def handlers(self) -> Mapping[str, Handler]:
        """Step name to handler."""
        return {
            "fall-asleep": self.fall_asleep,
            "asleep": self.asleep,
            "stay-awake": self.stay_awake,
            "wake": self.wake,
            "give-up-waking": self.give_up_waking,
        }

    def fall_asleep(self, context: StepContext) -> Outcome:
        """Tell the host, which the api or the scheduler has taken out of use, empty as it was."""
        with self._database.read() as session:
            host = _host(session, context.job)
            platform = session.scalars(select(Installation.id)).one()
        if host.state != HostState.FALLING_ASLEEP:
            raise HostFailed(f"host {host.name} is {host.state}, not on its way to sleep")
        return Park(_command(context, platform))

    def asleep(self, context: StepContext) -> Outcome:
        """The host has said good night."""

        def write(session: Session) -> None:
            host = _host(session, context.job)
            if not move_host(session, host.id, HostState.ASLEEP, [HostState.FALLING_ASLEEP]):
                log.warning("the host is not falling asleep any more", host=host.name)

        HOST_SLEEPS.labels("done").inc()
        return Done(write=write)

    def stay_awake(self, context: StepContext) -> Outcome:
        """It did not sleep, or did not say so: used again where it is heard, else counted as down."""

        def write(session: Session) -> None:
            host = _host(session, context.job)
            heard = host.heartbeat_at is not None and time.time() - host.heartbeat_at < SPOKE_S
            move_host(session, host.id, HostState.UP if heard else HostState.DOWN, [HostState.FALLING_ASLEEP])

        HOST_SLEEPS.labels("failed").inc()
        return Done(write=write)

    def wake(self, context: StepContext) -> Outcome:
        """Call the host until it speaks; each try that hears nothing is repeated, until the step's time is up."""
        with self._database.read() as session:
            host = _host(session, context.job)
            wake = dict((host.facts or {}).get("wake") or {})
        if host.state != HostState.WAKING:
            return self._woken(host)
        ways = ways_of(wake, tuple(context.job.params.get("by") or ()))
        if not ways:
            raise HostFailed(f"host {host.name} can't be woken: its agent has told no way that is admitted")
        told = self._caller.call(Sleeper(context.job.id, host.name, wake, ways), context.job.attempt)
        context.progress(None, told)
        raise TryAgain(f"host {host.name} was called and has not spoken yet; {told}")

    def give_up_waking(self, context: StepContext) -> Outcome:
        """It does not come back: people must look, and another host is woken instead."""

        def write(session: Session) -> None:
            host = _host(session, context.job)
            if move_host(session, host.id, HostState.DOWN, [HostState.WAKING]):
                log.error("a host does not wake up", host=host.name)

        HOST_WAKES.labels("failed").inc()
        return Done(write=write)

    def _woken(self, host: Host) -> Done:
        if host.state != HostState.UP:
            raise HostFailed(f"host {host.name} is {host.state}, not waking")
        HOST_WAKES.labels("done").inc()
        return Done({"host_name": host.name})


def _host(session: Session, job: JobView) -> Host:
    host = session.get(Host, str(job.params.get("host", "")))
    if host is None:
        raise HostFailed("the host has been removed")
    return host


def _command(context: StepContext, platform: str) -> Command:
    host = str(context.job.params["host"])
    return Command(
        id=derived_id(context.job.id, context.job.step, context.job.fence),
        verb=Verb.SLEEP,
        host=host,
        vm=host,
        job=context.job.id,
        step=context.job.step,
        fence=int(context.now * 1000),  # a command of an earlier night is refused by the agent's ledger
        platform=platform,
        timeout_s=60.0,
    )
