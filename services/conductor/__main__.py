# SPDX-License-Identifier: Apache-2.0
"""`python -m services.conductor`: relay, recorder, sweeper and keeper, a thread each.

The recorder's thread hands guests and inventories on, so the reconciler works there; the keeper looks after the
broker's topology and the gauges.
"""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import REGISTRY
from sqlalchemy import and_, delete, or_, select

from services.common.assembly import open_database
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.runtime import heartbeat, log, metrics, tracing
from services.common.runtime.broker_admin import BrokerAdmin
from services.common.runtime.bus import AgentEvents, Publisher
from services.common.runtime.dispatch import Dispatcher
from services.common.runtime.ending import ending
from services.common.runtime.feed import Feed
from services.common.runtime.lasting import keep_what_is_there
from services.common.runtime.reaching import broker_answers
from services.common.runtime.settings import Settings, settings_or_exit
from services.common.store.database import Database
from services.common.store.evidence import Evidence
from services.common.store.guest_tools import GuestTools
from services.common.store.guests import GuestToken
from services.common.store.journal import SqlJournal
from services.common.store.leadership import Leadership
from services.common.store.projects import IdempotencyKey, RevokedToken
from services.common.store.surveys import HostSurvey
from services.common.store.vms import Vm
from services.conductor.duties import Duties, Work
from services.conductor.gauges import Gauges
from services.conductor.guest_waits import GuestWaits
from services.conductor.guests import Guests
from services.conductor.inbox import Inbox
from services.conductor.old_decisions import forget_decisions
from services.conductor.passes import Parts, passes
from services.conductor.power_gauges import PowerGauges
from services.conductor.reconciler import Reconciler, repair_claims
from services.conductor.recorder import Recorder
from services.conductor.relay import Relay
from services.conductor.state_of_the_house import Question, StateOfTheHouse
from services.conductor.surveyor import Surveyor
from services.conductor.sweeper import Sweeper
from services.conductor.tools import Tools
from services.conductor.topology import Topology
from services.conductor.witness import Witness

logger = log.get_logger(__name__)
KEYS_KEPT_S = 24 * 3600
LOOKS_KEPT_S, EVIDENCE_KEPT_S = 3600, 7 * 24 * 3600


def forget_old(database: Database) -> None:
    """Keys live a day, surveys an hour, evidence a week, what is of guests as long as vms, revocations to their end."""
    now = time.time()
    with database.write() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEYS_KEPT_S))
        session.execute(delete(RevokedToken).where(RevokedToken.expires_at < now))
        gone = select(Vm.id).where(Vm.deleted_at.is_not(None))
        session.execute(delete(GuestToken).where(GuestToken.vm_id.in_(gone)))
        session.execute(delete(GuestTools).where(GuestTools.vm_id.in_(gone)))
        looks = and_(Evidence.job_id.is_(None), Evidence.asked_at < now - LOOKS_KEPT_S)
        session.execute(delete(HostSurvey).where(HostSurvey.asked_at < now - LOOKS_KEPT_S))
        session.execute(delete(Evidence).where(or_(looks, Evidence.asked_at < now - EVIDENCE_KEPT_S)))


def in_turn(*handlers: Callable[[AgentEvent], None]) -> Callable[[AgentEvent], None]:
    """A handler of an event that several care for."""

    def handle(event: AgentEvent) -> None:
        for handler in handlers:
            handler(event)

    return handle


def keeper(database: Database, topology: Topology) -> Duties:
    """Looks after the broker's topology and the gauges."""
    gauges, power_gauges = Gauges(database), PowerGauges(database)
    house: list[tuple[float, Work]] = [
        (0.5, topology.keep),
        (5.0, gauges.refresh),
        (5.0, lambda: power_gauges.refresh(time.time())),
    ]

    def forget() -> None:
        gauges.forget()
        power_gauges.forget()

    return Duties(Leadership(database, "keeper"), house, lost=forget)


def ask_the_house(settings: Settings, database: Database, feed: Feed) -> None:
    """Have whoever reads the metrics told which parts answer."""
    broker = partial(broker_answers, settings.broker_url)
    questions: dict[str, Question] = {"database": database.answers, "redis": feed.ping, "broker": broker}
    REGISTRY.register(StateOfTheHouse(questions, settings.keys_dir))


def let_go(threads: Iterable[threading.Thread], roles: Iterable[Leadership | None]) -> None:
    """Wait for each to end, and give its role back."""
    for thread, role in zip(threads, roles, strict=True):
        thread.join(timeout=5)
        if role is not None and not thread.is_alive():  # one that still works keeps its role until that expires
            role.release()


def main() -> None:
    """Wire and run until SIGTERM."""
    settings = settings_or_exit()
    log.setup("conductor", settings.log_level)
    tracing.start("conductor")
    metrics.serve(settings.metrics_port)
    heartbeat.start(settings.heartbeat_file)
    stopping = ending()
    feed = Feed(settings.redis_url)
    database = open_database(settings, feed)
    ask_the_house(settings, database, feed)
    journal = SqlJournal(database)
    witness = Witness(database, journal)
    sweeper = Sweeper(database, journal, witness)
    waits = GuestWaits(database, journal)
    reconciler = Reconciler(database, journal, settings.orphan_grace_s)
    guests = Guests(database, journal, feed)
    tools = Tools(database)
    inbox = Inbox(database, guests.record)
    others = {
        AgentEventKind.GUEST: guests.record,
        AgentEventKind.TOOLS: tools.record,
        AgentEventKind.EVIDENCE: witness.record,
        AgentEventKind.SURVEY: Surveyor(database).record,
        AgentEventKind.INVENTORY: reconciler.inventory,
        AgentEventKind.LIFECYCLE: in_turn(reconciler.lifecycle, waits.power_seen),
    }
    recorder = Recorder(database, journal, feed, sweeper.resend_to, others)
    hears, passes_on = Leadership(database, "recorder"), Leadership(database, "relay")
    events = AgentEvents(settings.broker_url, recorder.handle, hears.held)
    dispatcher = Dispatcher(Publisher(settings.broker_url), settings.keys_dir)
    relay = Relay(database, dispatcher, feed, passes_on.held)
    topology = Topology(database, Publisher(settings.broker_url), BrokerAdmin(settings.broker_admin_url))
    table = [
        *passes(database, Parts(sweeper, inbox, waits, witness, tools), settings.host_timeout_s),
        (30.0, lambda: repair_claims(database)),
        (600.0, lambda: forget_old(database)),
        (600.0, lambda: forget_decisions(database)),
    ]
    sweeping = Duties(Leadership(database, "sweeper"), table)
    keeping = keeper(database, topology)
    threads = [
        threading.Thread(target=relay.run, args=(stopping,), name="relay", daemon=True),
        threading.Thread(target=events.run, name="recorder", daemon=True),
        threading.Thread(target=sweeping.run, args=(stopping,), name="sweeper"),
        threading.Thread(target=keeping.run, args=(stopping,), name="keeper"),
    ]
    keep_what_is_there()
    for thread in threads:
        thread.start()
    logger.info("conductor runs")
    stopping.wait()
    events.stop()
    let_go(threads, (passes_on, hears, None, None))


if __name__ == "__main__":
    main()
