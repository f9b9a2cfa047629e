# SPDX-License-Identifier: Apache-2.0
"""Small files that are whole or absent, and secrets that only their owner reads."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace `path` by `text` in one step: a reader sees the old or the new file, never a part."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_json(path: Path, data: Any, mode: int = 0o600) -> None:
    """Replace `path` by `data` as JSON, in one step."""
    write(path, json.dumps(data, indent=1) + "\n", mode)


def read_json(path: Path, default: Any) -> Any:
    """What `write_json` wrote; `default` when the file is absent or unreadable as JSON."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return default


def secret(path: Path) -> str:
    """The random password kept in `path` (mode 0600), made at first use."""
    if not path.exists():
        write(path, secrets.token_urlsafe(24).replace("-", "x").replace("_", "y") + "\n")
    return path.read_text().strip()
