# SPDX-License-Identifier: Apache-2.0
"""The one place where a thread that serves many bears an error nobody foresaw.

Such a thread (the relay, the recorder, the pulse of a host) must outlive what one piece of its work raised: without it
the whole process would be alive and do nothing. The error is logged with its traceback and counted; what was being done
must be safe to leave undone, since it is tried or asked for again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.common.runtime.log import Logger
from services.common.runtime.metrics import UNFORESEEN

Errors = tuple[type[Exception], ...]


@dataclass
class Course:
    """How the piece of work went."""

    broke: bool = False


@contextmanager
def going_on(log: Logger, text: str, but: Errors = (), **fields: Any) -> Iterator[Course]:
    """Do a piece of work; whatever it raises is logged as `text` with `fields`, and the thread goes on.

    Errors of the kinds in `but` were foreseen: they are the caller's.
    """
    course = Course()
    try:
        yield course
    except but:
        raise
    except Exception:
        course.broke = True
        UNFORESEEN.labels(text).inc()
        log.exception(text, **fields)
