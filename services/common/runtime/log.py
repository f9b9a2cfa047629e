# SPDX-License-Identifier: Apache-2.0
"""JSON log lines on stderr, bound to the request, job, vm and host at hand. Redacted types stay redacted."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_bound: ContextVar[dict[str, Any]] = ContextVar("bound", default={})  # noqa: B039  (never mutated, only replaced)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, service, logger, text, the bound ids, and what the call added."""

    def __init__(self, service: str):
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": self.service,
            "logger": record.name,
            "text": record.getMessage(),
            **_bound.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class Logger:
    """A logger whose calls take fields: `log.info("command done", vm=vm_id)`."""

    def __init__(self, name: str):
        self._logger = logging.getLogger(name)

    def _log(self, level: int, text: str, fields: dict[str, Any], exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", text, extra={"fields": fields}, exc_info=exc_info)

    def debug(self, text: str, **fields: Any) -> None:
        """For people who look for a fault."""
        self._log(logging.DEBUG, text, fields)

    def info(self, text: str, **fields: Any) -> None:
        """Something happened that belongs to the normal course."""
        self._log(logging.INFO, text, fields)

    def warning(self, text: str, **fields: Any) -> None:
        """Something is off; the platform copes."""
        self._log(logging.WARNING, text, fields)

    def error(self, text: str, **fields: Any) -> None:
        """Something failed and somebody should look."""
        self._log(logging.ERROR, text, fields)

    def exception(self, text: str, **fields: Any) -> None:
        """As error, with the traceback of the exception being handled."""
        self._log(logging.ERROR, text, fields, exc_info=True)


def get_logger(name: str) -> Logger:
    """The logger of a module."""
    return Logger(name)


def setup(service: str, level: str = "info") -> None:
    """Send every log line of this process to stderr as JSON. Call once, first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("amqp", "httpx", "httpcore", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def bind(**ids: Any) -> Iterator[None]:
    """Add these ids to every line logged inside the block."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)
