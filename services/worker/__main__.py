# SPDX-License-Identifier: Apache-2.0
"""`python -m services.worker`: the Celery worker of queue `worker`."""

import sys

from services.common.assembly import open_database
from services.common.contracts.flow import Queue
from services.common.runtime import log, metrics
from services.common.runtime.settings import SettingsError, settings_or_exit
from services.common.runtime.steps import run_worker
from services.common.store.journal import SqlJournal
from services.worker import size_steps
from services.worker.calling import Caller
from services.worker.card_steps import CardSteps
from services.worker.clone_steps import CloneSteps
from services.worker.controllers import Controllers
from services.worker.host_power import HostPower
from services.worker.snapshot_steps import SnapshotSteps
from services.worker.steps import HostSteps
from services.worker.volume_steps import VolumeSteps


def main() -> None:
    """Wire and run until SIGTERM."""
    settings = settings_or_exit()
    controllers = Controllers(settings.controllers_file)
    try:
        controllers.check()
    except SettingsError as error:
        sys.exit(f"controllers: {error}")
    log.setup("worker", settings.log_level)
    metrics.serve(settings.metrics_port)
    database = open_database(settings)
    handlers = {
        **HostSteps(database).handlers(),
        **VolumeSteps(database).handlers(),
        **size_steps.handlers(),
        **SnapshotSteps(database).handlers(),
        **CardSteps(database).handlers(),
        **CloneSteps(database).handlers(),
        **HostPower(database, Caller(controllers)).handlers(),
    }
    run_worker(Queue.WORKER, handlers, settings, SqlJournal(database))


if __name__ == "__main__":
    main()
