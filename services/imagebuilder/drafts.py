# SPDX-License-Identifier: Apache-2.0
"""A guest's file appears whole or not at all, and only we may read it."""

import os
from pathlib import Path
from uuid import uuid4


def draft_of(path: Path) -> Path:
    """A name beside `path` that nobody else takes: two containers that share a disk may have the same process ids."""
    return path.with_name(f".{path.name}.{uuid4().hex}")


def write_whole(path: Path, content: bytes) -> None:
    """Write `path`, making its folder. Not synced: a file lost with the machine's power is made again."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = draft_of(path)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
