# SPDX-License-Identifier: Apache-2.0
"""One at a time for each medium's file, over all processes: importing, dropping, collecting."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.common.contracts.errors import TryAgain


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else works on this file during the block; TryAgain when somebody does."""
    lock_path = path.with_name(path.name + ".lock")
    with open(lock_path, "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TryAgain("the same medium is being imported") from error
        # The one before may have removed the file in between: then this lock keeps nobody out.
        if not lock_path.exists() or lock_path.stat().st_ino != os.fstat(lock.fileno()).st_ino:
            raise TryAgain("the same medium was being dropped")
        try:
            yield
        finally:
            lock_path.unlink(missing_ok=True)
