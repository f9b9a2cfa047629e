# SPDX-License-Identifier: Apache-2.0
"""ETags of two parts, "<editable>.<whole>".

If-None-Match compares the whole: any change is news. If-Match compares the first part only: a heartbeat that changes
what is seen of a vm must not fail somebody's edit of its labels.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from services.common.contracts.errors import PreconditionFailed, PreconditionRequired

# Grows by itself between two reads without anything having happened.
_CLOCKWORK = frozenset({"etag", "heartbeat_age_s"})


def make(view: Mapping[str, Any], editable: Iterable[str]) -> str:
    """The ETag (without quotes) of a resource as it is shown."""
    whole = {k: v for k, v in view.items() if k not in _CLOCKWORK}
    return f"{_digest({k: view.get(k) for k in ('id', *editable)})}.{_digest(whole)}"


def of_text(body: str) -> str:
    """The ETag of a body that nobody edits, such as a list."""
    return hashlib.sha256(body.encode()).hexdigest()[:24]


def unchanged(if_none_match: str, etag: str) -> bool:
    """Whether the reader has this already."""
    return bool(if_none_match) and ("*" in _tags(if_none_match) or etag in _tags(if_none_match))


def check(if_match: str, etag: str, required: bool) -> None:
    """Raise PreconditionFailed where the writer saw something else, PreconditionRequired where it must say what."""
    if not if_match:
        if required:
            raise PreconditionRequired('read the resource first and send its ETag: If-Match: "..."')
        return
    seen = {tag.partition(".")[0] for tag in _tags(if_match)}
    if "*" not in seen and etag.partition(".")[0] not in seen:
        raise PreconditionFailed("somebody changed it after you read it; read it again and repeat your change")


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
