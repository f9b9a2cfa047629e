# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a vm from outside when its guest fails or falls silent: its console's tail and its screen.

A guest writes what it likes on its console: before anybody reads it, it is made plain text.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_CONSOLE = 16 * 1024
MAX_SCREENSHOT = 300 * 1024
# What of the console a job's error quotes.
QUOTED = 2048
PNG = b"\x89PNG\r\n\x1a\n"
_NOTE_MAX = 500
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")


@dataclass(frozen=True)
class Seen:
    """What was seen; `note` says why something is missing."""

    console: str = ""
    screenshot: bytes = b""
    note: str = ""


def told(console: str, screenshot: bytes, note: str = "") -> dict[str, Any]:
    """What a host says on its way up, within the bounds."""
    notes = [note] if note else []
    if len(screenshot) > MAX_SCREENSHOT:
        notes.append(
            f"the screenshot was left out: {len(screenshot) >> 10} KiB, at most {MAX_SCREENSHOT >> 10} are kept"
        )
        screenshot = b""
    elif screenshot and not screenshot.startswith(PNG):
        notes.append("the screenshot was left out: it is no PNG")
        screenshot = b""
    return {
        "console": plain(console),
        "screenshot": b64encode(screenshot).decode(),
        "note": "; ".join(notes)[:_NOTE_MAX],
    }


def seen(data: Mapping[str, Any]) -> Seen:
    """What a host said, checked again; raises ValueError for what can't be."""
    console, encoded, note = (data.get(key, "") for key in ("console", "screenshot", "note"))
    if not (isinstance(console, str) and isinstance(encoded, str) and isinstance(note, str)):
        raise ValueError("console, screenshot and note are texts")
    screenshot = b64decode(encoded, validate=True)
    if screenshot and (len(screenshot) > MAX_SCREENSHOT or not screenshot.startswith(PNG)):
        raise ValueError("the screenshot is too large, or no PNG")
    return Seen(plain(console), screenshot, plain(note)[:_NOTE_MAX])


def plain(text: str, most: int = MAX_CONSOLE) -> str:
    """The end of a text, at most `most` bytes, without a terminal's commands and control characters."""
    unescaped = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    printable = "".join(c for c in unescaped if c.isprintable() or c in "\n\t")
    return printable.encode("utf-8", "replace")[-most:].decode("utf-8", "ignore")
