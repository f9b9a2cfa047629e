# SPDX-License-Identifier: Apache-2.0
"""What guests show and tell."""

from services.api.access import Role
from services.api.handlers import evidence, guests
from services.api.route import Handler, Route
from services.api.schemas.evidence import EvidenceQuery
from services.api.schemas.guests import GuestWord


def _look(name: str, handler: Handler, media: str) -> Route:
    """Something that can be seen of a vm from outside; its host is asked."""
    path = f"/v1/vms/{{vm_id}}/{name}"
    return Route("GET", path, handler, Role.VIEWER, query=EvidenceQuery(), streams=True, media=media)


GUEST_ROUTES = (
    _look("console-log", evidence.console_log, "text/plain"),
    _look("screenshot", evidence.screenshot, "image/png"),
    Route(
        "POST",
        "/v1/guest/messages",
        guests.tell,
        Role.PUBLIC,
        body=GuestWord(),
        status=204,
        project=False,
        idempotent=False,
        streams=True,
    ),
)
