# SPDX-License-Identifier: Apache-2.0
"""The sha256 of a file, read once."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> tuple[str, int]:
    """(hex digest, size in bytes)."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, path.stat().st_size
