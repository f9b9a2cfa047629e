# SPDX-License-Identifier: Apache-2.0
"""A directory for servers: its path is short enough for unix sockets, and it is gone afterwards."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.support.waiting import until


@contextmanager
def short_directory() -> Iterator[Path]:
    """The directory for the length of the block; AssertionError where something keeps it from being removed."""
    directory = Path(mkdtemp(prefix="ik-"))
    try:
        yield directory
    finally:
        # What was killed a moment ago may still write; a mount that was left behind stays for good.
        until(lambda: _removed(directory), 20, f"{directory} gone (see /proc/mounts)", pause=0.1)


def _removed(directory: Path) -> bool:
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()
