# SPDX-License-Identifier: Apache-2.0
"""The one error body that serves both: a problem document whose `errors` are sentences. Pure.

Clients join the sentences without a separator, or with a comma; what is not a list of texts breaks them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

PREFIX = "/uii"
_INVALID, _BAD_REQUEST = 422, 400
# Problems of the whole request need no field's name before them.
_WHOLE = ("", "/", "/networks")


def ours(path: str) -> bool:
    """Whether a request's path is one of this API."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def compatible(document: Mapping[str, Any], path: str, now: float) -> dict[str, Any]:
    """A problem document, said so that these clients show it; what is invalid is 400 here."""
    found = document.get("errors") or []
    status = _BAD_REQUEST if document["status"] == _INVALID else document["status"]
    sentences = list(_sentences(found)) or [str(document["detail"])]
    return {
        **document,
        "status": status,
        "statuscode": status,
        "errors": [f"{text}." for text in sentences] if len(sentences) > 1 else sentences,
        "invalid_params": [{"pointer": p["pointer"], "detail": p["detail"], "fix": p["fix"]} for p in found],
        "timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "instance": path.removeprefix(PREFIX) or "/",
    }


def _sentences(found: list[Mapping[str, str]]) -> Iterator[str]:
    for problem in found:
        field = "" if problem["pointer"] in _WHOLE else f"{_field(problem['pointer'])}: "
        yield f"{field}{problem['detail']}{'; ' + problem['fix'] if problem['fix'] else ''}".rstrip(".")


def _field(pointer: str) -> str:
    """/networks/0/gateway as networks[0].gateway."""
    text = ""
    for step in pointer.strip("/").split("/"):
        text += f"[{step}]" if step.isdigit() else f".{step}" if text else step
    return text
