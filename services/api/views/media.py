# SPDX-License-Identifier: Apache-2.0
"""Media as they are shown."""

from typing import Any

from services.api import etags
from services.api.views.moments import moment
from services.common.store.models import Media

JsonDict = dict[str, Any]
COLLECTED = "collected"


def media_view(row: Media) -> JsonDict:
    """A medium; one whose file made room for others is shown as collected."""
    view = {
        "id": row.id,
        "name": row.name,
        "os": row.os,
        "kind": row.kind,
        "url": row.url,
        "upload": not row.url,
        "sha256": row.sha256,
        "kept_sha256": row.kept,
        "size": row.size,
        "state": COLLECTED if row.collected_at is not None and row.state == "available" else row.state,
        "protect": row.protect,
        "job": row.job_id,
        "error": row.error,
        "created_at": moment(row.created_at),
        "last_used_at": moment(row.last_used_at),
        "collected_at": moment(row.collected_at),
    }
    return {**view, "etag": etags.make(view, ("name", "state", "protect"))}


def upload_view(row: Media, offset: int, job: JsonDict | None = None) -> JsonDict:
    """How far a medium that is sent has come."""
    return {"url": f"/v1/media/{row.id}/content", "offset": offset, "size": row.size, "job": job}
