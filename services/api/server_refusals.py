# SPDX-License-Identifier: Apache-2.0
"""What the HTTP server refuses before the application sees it: as JSON, like every other error, not as a page.

gunicorn has no setting for it. Which API was meant is not known then, so the document is the one that every client can
read: its `errors` are sentences.
"""

import json
import time

from gunicorn import util  # type: ignore[import-untyped]

from services.api.uii.refusing import compatible

_CODES = {414: "too-large", 431: "too-large"}


def written(status: int, reason: str, message: str, now: float) -> bytes:
    """The whole answer."""
    code = "internal" if status == 500 else _CODES.get(status, "malformed")
    detail = message or "this is a defect of the platform"
    document = {"type": f"urn:innkeeper:error:{code}", "title": reason, "status": status, "code": code}
    body = json.dumps(compatible({**document, "detail": detail, "errors": []}, "", now)).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def install() -> None:
    """Let gunicorn answer so, in this process and its workers."""
    util.write_error = lambda sock, status, reason, message: util.write_nonblock(
        sock, written(status, reason, message, time.time())
    )
