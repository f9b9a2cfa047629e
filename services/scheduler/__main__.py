# SPDX-License-Identifier: Apache-2.0
"""`python -m services.scheduler`: the worker of the queue `scheduler`, and the answers to what people ask of it."""

import sys

from prometheus_client import REGISTRY

from services.common.assembly import open_database
from services.common.contracts.errors import Conflict, Invalid
from services.common.contracts.flow import Queue
from services.common.runtime import log, metrics
from services.common.runtime.ask import Answerer
from services.common.runtime.settings import Settings, SettingsError
from services.common.runtime.steps import Grouped, StepRunner, run_worker
from services.common.store.journal import SqlJournal
from services.scheduler import consolidating, policy_questions, replaying
from services.scheduler.consolidating import Consolidator
from services.scheduler.engine.warm import Warmth
from services.scheduler.explain import TOPIC, Explainer
from services.scheduler.lookout import Lookout
from services.scheduler.metrics import ClaimsCollector
from services.scheduler.night_watch import NightWatch
from services.scheduler.placing_together import STEP, PlacingTogether
from services.scheduler.policy_questions import PolicyQuestions
from services.scheduler.policy_shelf import PolicyShelf
from services.scheduler.replaying import Replayer
from services.scheduler.resizing import Resizer
from services.scheduler.simulation.apart import Apart
from services.scheduler.simulation.questions import SIMULATE, WHAT_FITS, RoomCounter, Simulator
from services.scheduler.steps import handlers


def main() -> int:
    """Run until SIGTERM; 2 where settings or policy are wrong."""
    try:
        settings = Settings.from_env()
        database = open_database(settings)
        shelf = PolicyShelf(database, settings.policy_file)
    except (SettingsError, Invalid) as error:
        print(error, file=sys.stderr)
        return 2
    log.setup("scheduler", settings.log_level)
    REGISTRY.register(ClaimsCollector(database))
    metrics.serve(settings.metrics_port)
    try:
        shelf.start()
    except Conflict as error:
        print(f"{settings.policy_file}: {error}", file=sys.stderr)
        return 2
    warmth = Warmth().start()
    apart = Apart(), Apart()  # one for each: a long replay keeps nobody from asking what fits
    answerers = [
        Answerer(settings.redis_url, TOPIC, Explainer(Lookout(database, warmth), shelf).answer).start(),
        Answerer(settings.redis_url, consolidating.TOPIC, Consolidator(database, shelf).answer).start(),
        Answerer(settings.redis_url, policy_questions.TOPIC, PolicyQuestions(database, shelf).answer).start(),
        Answerer(settings.redis_url, replaying.TOPIC, Replayer(database).answer).start(),
        Answerer(settings.redis_url, SIMULATE, Simulator(database, shelf, apart[0]).answer).start(),
        Answerer(settings.redis_url, WHAT_FITS, RoomCounter(database, shelf, apart[1]).answer).start(),
    ]
    watch = NightWatch(database, shelf.get).start()
    try:
        journal, placers = SqlJournal(database), list[PlacingTogether]()

        def placing(runner: StepRunner) -> PlacingTogether:
            together = PlacingTogether(runner, database, shelf, journal, warmth)
            together.roster.sync()  # before the first bell, which would have to wait for it
            placers.append(together)
            return together

        together = Grouped(STEP, placing)
        steps = {**handlers(database, shelf, warmth), "hold-room": Resizer(database, shelf).hold_room}
        run_worker(Queue.SCHEDULER, steps, settings, journal, together)
        for placer in placers:
            placer.leave()
    finally:
        watch.stop()
        for one in apart:
            one.stop()
        for answerer in answerers:
            answerer.leave()
        for answerer in answerers:
            answerer.stop()
        shelf.stop()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
