# SPDX-License-Identifier: Apache-2.0
"""Server-sent events from lines of text. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One event; `id` is "" where the server gave none."""

    event: str
    data: str
    id: str = ""


def server_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Events of a stream's lines; comments and unknown fields are skipped, an unfinished last event is dropped."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield _event(fields)
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))


def _event(fields: dict[str, list[str]]) -> ServerEvent:
    return ServerEvent(fields.get("event", ["message"])[-1], "\n".join(fields["data"]), fields.get("id", [""])[-1])
