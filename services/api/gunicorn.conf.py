# SPDX-License-Identifier: Apache-2.0
"""gunicorn for the API: few processes, many threads, since every open event stream holds one."""

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from services.api import draining, server_refusals
from services.common.runtime.lasting import keep_what_is_there

server_refusals.install()
bind = os.environ.get("INNKEEPER_API_BIND", "127.0.0.1:8080")
worker_class = "gthread"
workers = int(os.environ.get("INNKEEPER_API_WORKERS", "2"))
threads = int(os.environ.get("INNKEEPER_API_THREADS", "48"))
timeout = 60
# What is being answered may end; streams and those who wait for jobs end by themselves (draining.py).
graceful_timeout = int(float(os.environ.get("INNKEEPER_GRACE_S", "25")))
_DRAIN_S = float(os.environ.get("INNKEEPER_API_DRAIN_S", "0"))
keepalive = 30
# No access log: the application logs each request once, as JSON, with its id.
accesslog = None
errorlog = "-"
loglevel = "warning"
limit_request_line = 8190
limit_request_field_size = 16380
forwarded_allow_ips = os.environ.get("INNKEEPER_TRUSTED_PROXIES", "127.0.0.1")

_COUNTED = "PROMETHEUS_MULTIPROC_DIR"


def on_starting(server: Any) -> None:
    """Before the first worker: an empty directory for what the workers count, a temporary one if none was given."""
    if _COUNTED not in os.environ:
        os.environ[_COUNTED] = server.innkeeper_made = tempfile.mkdtemp(prefix="innkeeper-metrics-")
        return
    directory = Path(os.environ[_COUNTED])
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob("*_[0-9]*.db"):
        left.unlink(missing_ok=True)  # by an API that was killed


def when_ready(server: Any) -> None:
    """The master's own handlers are there: ours comes before its SIGTERM."""
    draining.end_later(_DRAIN_S, server.signal)


def post_fork(_server: object, _worker: object) -> None:
    """Nothing that a worker reads in at its start is garbage: to look for some would be a sixth of the work."""
    gc.disable()


def post_worker_init(_worker: object) -> None:
    """The application is there, for as long as the worker."""
    keep_what_is_there()
    gc.enable()


def child_exit(_server: object, worker: object) -> None:
    """A worker has gone: its gauges no longer count."""
    # Imported late: prometheus_client looks for the directory when it is imported.
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(getattr(worker, "pid", 0))  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """The last one out removes what was made here."""
    made = getattr(server, "innkeeper_made", None)
    if made:
        shutil.rmtree(made, ignore_errors=True)
