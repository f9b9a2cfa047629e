# SPDX-License-Identifier: Apache-2.0
"""The routes of images without a vm. Their bytes hold secrets: members only, or whoever was given the signed URL."""

from services.api.access import Role
from services.api.handlers import images
from services.api.route import Route
from services.api.schemas import images as i
from services.api.schemas import vms as v
from services.api.schemas.pieces import Changing

_ONE = "/v1/images/{image_id}"

IMAGE_ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/images:preview",
        images.preview,
        Role.MEMBER,
        v.ImagePreview(),
        v.VmAsked(),
        reads_only=True,
        streams=True,
        idempotent=False,
    ),
    Route("GET", "/v1/images", images.listing, Role.MEMBER, i.IMAGE_PAGE, query=i.IMAGE_LIST),
    Route(
        "POST",
        "/v1/images",
        images.build,
        Role.MEMBER,
        i.ImageShape(),
        v.VmAsked(),
        i.ImageBuilding(),
        201,
        streams=True,
    ),
    Route("GET", _ONE, images.get, Role.MEMBER, i.ImageShape(), query=i.IMAGE_READ),
    Route("DELETE", _ONE, images.drop, Role.MEMBER, query=Changing(), status=204),
    Route(
        "GET",
        f"{_ONE}/content",
        images.content,
        Role.PUBLIC,
        query=i.ImageDownload(),
        project=False,
        streams=True,
        media="application/octet-stream",
    ),
)
