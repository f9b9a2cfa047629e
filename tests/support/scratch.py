# SPDX-License-Identifier: Apache-2.0
"""A directory for servers: its path is short enough for unix sockets, and it is gone afterwards."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp


@contextmanager
def short_directory() -> Iterator[Path]:
    """The directory for the length of the block."""
    directory = Path(mkdtemp(prefix="ik-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
