# SPDX-License-Identifier: Apache-2.0
"""Files as entries of an Ignition config's storage.files (configuration specification 3.3)."""

import json
from base64 import b64encode
from collections.abc import Mapping


def file_entries(files: Mapping[str, str], mode: int = 0o644) -> bytes:
    """JSON objects with commas between them, one a line; contents are base64 in data URLs."""
    return ",\n".join(_entry(path, text, mode) for path, text in files.items()).encode("ascii")


def _entry(path: str, text: str, mode: int) -> str:
    source = "data:;base64," + b64encode(text.encode()).decode()
    return json.dumps({"path": path, "mode": mode, "overwrite": True, "contents": {"source": source}})
