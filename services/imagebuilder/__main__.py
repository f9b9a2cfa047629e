# SPDX-License-Identifier: Apache-2.0
"""`python -m services.imagebuilder`: the worker of the queue `imagebuilder`, and the server hosts fetch images from."""

import sys

from services.common.assembly import open_database
from services.common.catalog import CatalogError
from services.common.contracts.flow import Queue
from services.common.runtime import log, metrics
from services.common.runtime.ask import Answerer
from services.common.runtime.keys import Keys, KeysError
from services.common.runtime.settings import Settings, SettingsError
from services.common.runtime.steps import run_worker
from services.common.runtime.worker_end import AskedToEnd
from services.common.store.journal import SqlJournal
from services.imagebuilder import ordering, preview
from services.imagebuilder.build import Builder
from services.imagebuilder.catalogue_check import check_catalogue
from services.imagebuilder.importing import Importer, Ways
from services.imagebuilder.installation import Installations
from services.imagebuilder.leftovers import Leftovers
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.media.collecting import Collecting, Limits, MediaCollector
from services.imagebuilder.media.fetch import Fetcher
from services.imagebuilder.media.guard import Rules, RulesError
from services.imagebuilder.media.room import Room
from services.imagebuilder.media.unpacking import Unpacking
from services.imagebuilder.media.uploads import Uploads
from services.imagebuilder.places import Places
from services.imagebuilder.rounds import Rounds
from services.imagebuilder.server import ArtifactServer
from services.imagebuilder.sources import Sources
from services.imagebuilder.steps import handlers

_MEDIA_ROUNDS = 5  # media are looked through this much less often than images


def main() -> int:
    """Run until SIGTERM; 2 where settings, keys or the catalogue are wrong."""
    try:
        settings, rules = Settings.from_env(), Rules.from_env()
        keys = Keys.load(settings.keys_dir)
        check_catalogue()
    except (SettingsError, RulesError, KeysError, CatalogError) as error:
        print(error, file=sys.stderr)
        return 2
    log.setup("imagebuilder", settings.log_level)
    metrics.serve(settings.metrics_port)
    database = open_database(settings)
    places = Places(settings.state_dir, settings.images_url)
    store = MasterStore(settings.state_dir)
    sources = Sources(store, places, database)
    installations = Installations(store, places, sources)
    builder = Builder(database, keys, places, sources, installations)
    uploads, room = Uploads(places, rules.max_bytes), Room(database, places, rules.store_bytes)
    importer = Importer(database, places, Ways(Fetcher(rules), uploads, room, Unpacking(rules.max_bytes)))
    asked = AskedToEnd()
    pem = keys.command_public_pem
    server = ArtifactServer(settings.images_bind, places, pem, uploads, lambda: bool(asked)).start()
    orders = ordering.Orders(database, keys, places, installations)
    answerers = [
        Answerer(settings.redis_url, preview.TOPIC, preview.preview).start(),
        Answerer(settings.redis_url, ordering.TOPIC, orders.answer).start(),
    ]
    limits = Limits(master_s=rules.master_days * 24 * 3600.0)
    grace_s = settings.orphan_grace_s
    leftovers = Leftovers(database, places, grace_s)
    media = MediaCollector(Collecting(database, places, uploads, limits), room)
    rounds = [
        Rounds(leftovers.round, max(1.0, grace_s / 2), "leftover images can't be collected").start(),
        Rounds(media.round, _MEDIA_ROUNDS * grace_s, "media were not collected").start(),
    ]
    try:
        run_worker(Queue.IMAGEBUILDER, handlers(builder, importer), settings, SqlJournal(database))
    finally:
        for answerer in answerers:
            answerer.leave()
        for answerer in answerers:
            answerer.stop()
        for each in rounds:
            each.stop()
        orders.stop()
        server.close(asked.left(settings.grace_s))
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
