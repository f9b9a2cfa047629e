# SPDX-License-Identifier: Apache-2.0
"""Images without a vm as they are shown."""

from typing import Any

from services.api import etags
from services.api.parts import Parts
from services.api.views.moments import moment
from services.common.runtime.signing import sign_url
from services.common.store.models import Image

URL_S = 600


def image_view(row: Image) -> dict[str, Any]:
    """An image, without the way to its bytes."""
    view = {
        "id": row.id,
        "name": row.name,
        "os": row.os,
        "state": "building" if row.built_at is None else "built",
        "macs": [nic["mac"] for nic in row.spec["nics"]],
        "size": row.size,
        "sha256": row.sha256,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
    }
    return {**view, "etag": etags.make(view, ("state",))}


def downloadable(parts: Parts, row: Image, now: float) -> dict[str, Any]:
    """An image with the URL its bytes are at, which needs no token of yours and is good for minutes."""
    url = f"{parts.settings.api_url.rstrip('/')}{content_path(row.id)}"
    signed = sign_url(url, parts.keys.command_private_pem, URL_S)
    return {**image_view(row), "url": signed, "url_expires_at": moment(min(now + URL_S, row.expires_at))}


def content_path(image_id: str) -> str:
    """Where an image's bytes are."""
    return f"/v1/images/{image_id}/content"
