# SPDX-License-Identifier: Apache-2.0
"""gunicorn for the API: few processes, many threads, since every open event stream holds one."""

import os
import shutil
import tempfile

bind = os.environ.get("INNKEEPER_API_BIND", "127.0.0.1:8080")
worker_class = "gthread"
workers = int(os.environ.get("INNKEEPER_API_WORKERS", "2"))
threads = int(os.environ.get("INNKEEPER_API_THREADS", "48"))
timeout = 60
graceful_timeout = 5
keepalive = 30
# No access log: the application logs each request once, as JSON, with its id.
accesslog = None
errorlog = "-"
loglevel = "warning"
limit_request_line = 8190
limit_request_field_size = 16380
forwarded_allow_ips = os.environ.get("INNKEEPER_TRUSTED_PROXIES", "127.0.0.1")

if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="innkeeper-metrics-")
    _ours: str | None = os.environ["PROMETHEUS_MULTIPROC_DIR"]
else:
    os.makedirs(os.environ["PROMETHEUS_MULTIPROC_DIR"], exist_ok=True)
    _ours = None


def child_exit(_server: object, worker: object) -> None:
    """A worker has gone: its gauges no longer count."""
    # Imported late: prometheus_client looks for the directory when it is imported.
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(getattr(worker, "pid", 0))  # type: ignore[no-untyped-call]


def on_exit(_server: object) -> None:
    """The last one out removes what was made here."""
    if _ours:
        shutil.rmtree(_ours, ignore_errors=True)
