# SPDX-License-Identifier: Apache-2.0
"""What there is to do, asked all at once: a conductor with nothing to do costs one small question, not one a pass."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Float, Select, bindparam, select

from services.common.store.database import Database

NOW = bindparam("now", type_=Float)
AT_REST_S = 0.5
Work = Callable[[], object]


class Due:
    """Passes, each with a question that finds a row where there is work for it. For one thread.

    While `under_way` finds no row, it is asked at most every AT_REST_S.
    """

    def __init__(self, database: Database, under_way: Select[Any]):
        self._database = database
        self._under_way = under_way
        self._look_at = 0.0
        self._asked: list[Select[Any]] = []
        self._there: list[bool] = []
        self._question: Any = None

    def then(self, every_s: float, anything: Select[Any], work: Work) -> tuple[float, Work]:
        """An entry for Duties: the work, where the last look found some, and at most this often."""
        number = len(self._asked)
        self._asked.append(anything)
        self._there.append(False)
        self._question = None
        again_at = 0.0

        def work_if_any() -> None:
            nonlocal again_at
            if self._there[number] and time.monotonic() >= again_at:
                again_at = time.monotonic() + every_s
                self._there[number] = False
                work()

        work_if_any.__name__ = getattr(work, "__name__", str(work))
        return 0.0, work_if_any

    def look(self) -> None:
        """Ask; what was found before and not done yet stays to be done."""
        if time.monotonic() < self._look_at:
            return
        if self._question is None:
            asked = [*self._asked, self._under_way]
            self._question = select(*(one.exists().label(f"of_{n}") for n, one in enumerate(asked)))
        with self._database.look() as connection:
            *found, busy = connection.execute(self._question, {"now": time.time()}).one()
        self._look_at = 0.0 if busy else time.monotonic() + AT_REST_S
        self._there = [bool(new) or old for new, old in zip(found, self._there, strict=True)]
