# SPDX-License-Identifier: Apache-2.0
"""Media: imported by URL, or sent."""

from services.api.access import Role
from services.api.handlers import media, uploading
from services.api.route import Route
from services.api.schemas import media as m
from services.api.schemas.pieces import Changing, Reading

VIEWER, OPERATOR = Role.VIEWER, Role.OPERATOR
READ, CHANGE = Reading(), Changing()
_ONE = "/v1/media/{media_id}"
_BYTES = "application/octet-stream"

MEDIA_ROUTES = (
    Route("GET", "/v1/media", media.listing, VIEWER, m.MEDIA_PAGE, query=m.MEDIA_LIST),
    Route("POST", "/v1/media", media.add, OPERATOR, m.MediaAndJob(), m.MediaAsked(), CHANGE, 202),
    Route("GET", _ONE, media.get, VIEWER, m.MediaShape(), query=READ),
    Route("PATCH", _ONE, media.change, OPERATOR, m.MediaShape(), m.MediaChanges(), CHANGE),
    Route("DELETE", _ONE, media.drop, OPERATOR, query=CHANGE, status=204),
    Route("POST", f"{_ONE}/import", media.again, OPERATOR, m.MediaAndJob(), query=CHANGE, status=202),
    Route("GET", f"{_ONE}/content", uploading.progress, OPERATOR, m.UploadShape(), streams=True),
    Route(
        "PUT",
        f"{_ONE}/content",
        uploading.receive,
        OPERATOR,
        m.UploadShape(),
        idempotent=False,
        streams=True,
        takes=_BYTES,
    ),
)
