# SPDX-License-Identifier: Apache-2.0
"""The Celery application: quorum queues, late acknowledgement, one task at a time, confirmed publishing.

Each setting below was measured: without any one of them jobs were lost or done twice when processes were killed.
Messages carry a job's id and nothing else. Bells are rung with confirms by `bus.Publisher`, over a connection of its
own; a worker publishes only its events for Flower, and waiting for their confirms would double a step's latency.
"""

from celery import Celery
from celery.signals import setup_logging
from kombu import Exchange, Queue

from services.common.contracts.flow import QUEUES
from services.common.runtime.settings import Settings

QUORUM = {"x-queue-type": "quorum"}


def job_queue(name: str) -> Queue:
    """The durable, replicated queue of a service's steps."""
    return Queue(name, Exchange("", type="direct"), routing_key=name, durable=True, queue_arguments=QUORUM)


def make_celery(broker_url: str) -> Celery:
    """A Celery application on this broker; it declares nothing until it is used."""
    app = Celery("innkeeper", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=10,
        task_queues=[job_queue(name) for name in QUEUES],
        task_default_queue=QUEUES[-1],
        task_default_queue_type="quorum",
        worker_detect_quorum_queues=True,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        event_queue_prefix="innkeeper-events",
        event_queue_expires=60,
        enable_utc=True,
    )
    return app


def _keep_our_logging(**_: object) -> None:
    return None


# Celery would install its own handlers; a receiver of this signal makes it leave logging alone.
setup_logging.connect(_keep_our_logging, weak=False)


def __getattr__(name: str) -> Celery:
    # `celery -A services.common.runtime.celery_app flower` looks for `app`; nothing is read at import otherwise.
    if name in ("app", "celery"):
        return make_celery(Settings.from_env().broker_url)
    raise AttributeError(name)
