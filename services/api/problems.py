# SPDX-License-Identifier: Apache-2.0
"""Every error as application/problem+json (RFC 9457), from this one place."""

import json
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException

from services.api.uii import refusing
from services.common.contracts import errors
from services.common.contracts.errors import InnkeeperError
from services.common.runtime.log import get_logger

log = get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
# What Werkzeug refuses by itself, in our words: status -> (code, title).
HTTP_CODES: Mapping[int, tuple[str, str]] = {
    400: ("malformed", "The request could not be read"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "This resource does not know that method"),
    413: ("too-large", "The request is too large"),
    414: ("too-large", "The request is too large"),
    415: ("wrong-media-type", "Send application/json"),
    431: ("too-large", "The request is too large"),
}


def register(app: Flask) -> None:
    """Let this module answer for every exception of the application."""
    app.register_error_handler(InnkeeperError, of_ours)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(OperationalError, of_database)
    app.register_error_handler(IntegrityError, of_constraint)
    app.register_error_handler(Exception, of_defect)


def of_ours(error: InnkeeperError) -> Response:
    """One of the platform's own errors."""
    extra = dict(error.extra)
    headers = extra.pop("headers", {})
    if error.again:
        headers.setdefault("Retry-After", "1")
    found = [{"pointer": p.pointer, "detail": p.detail, "fix": p.fix} for p in error.problems]
    body = {"title": error.title, "code": error.code, "detail": error.detail, "errors": found, **extra}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="innkeeper"'
    if error.status >= 500 and not error.again:
        log.error("request failed", code=error.code, detail=error.detail)
    return answer(error.status, body, headers)


def of_http(error: HTTPException) -> Response:
    """Something Flask or Werkzeug refused."""
    status = error.code or 500
    code, title = HTTP_CODES.get(status, ("http-error", error.name))
    headers = dict(error.get_headers()) if status == 405 else {}
    allow = {"Allow": headers["Allow"]} if "Allow" in headers else {}
    detail = "the body is larger than 1 MiB" if status == 413 else error.description or title
    return answer(status, {"title": title, "code": code, "detail": detail, "errors": []}, allow)


def of_database(error: OperationalError) -> Response:
    """The database is away or busy: a passing state, not a defect."""
    log.warning("database unavailable", reason=str(error.orig))
    return of_ours(errors.TryAgain("the database is not available; nothing was changed, try again"))


def of_constraint(error: IntegrityError) -> Response:
    """Two requests wanted the same at the same moment and a constraint held."""
    log.warning("constraint held", reason=str(error.orig))
    return of_ours(errors.Conflict("somebody else changed the same thing at the same moment; look again"))


def of_defect(error: Exception) -> Response:
    """A defect: the log has the traceback, the caller only the trace id to quote."""
    kind = "database refused" if isinstance(error, DBAPIError) else "unhandled exception"
    log.exception(kind, error=type(error).__name__)
    body = {
        "title": "Internal error",
        "code": "internal",
        "detail": "this is a defect of the platform; quote the trace id",
        "errors": [],
    }
    return answer(500, body, {})


def answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """A problem document; type, status and trace id are added here. Under /uii its clients' own form is written."""
    whole = {
        "type": f"urn:innkeeper:error:{body['code']}",
        "title": body["title"],
        "status": status,
        **body,
        "trace_id": g.get("trace_id", ""),
    }
    if refusing.ours(request.path):
        whole = refusing.compatible(whole, request.path, time.time())
        status = whole["status"]
    return Response(json.dumps(whole, default=str), status=status, headers=dict(headers), mimetype=MEDIA_TYPE)
