# SPDX-License-Identifier: Apache-2.0
"""What happens around every handler: token, role, body, one transaction, idempotency, ETag, waiting.

A change runs in exactly one transaction, together with its Idempotency-Key. A dry run is the same transaction,
rolled back: whatever the handler would refuse is refused, and nothing remains.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g, request
from sqlalchemy.exc import IntegrityError

from services.api import etags, idempotency, identity, waiting
from services.api.access import Role, demand
from services.api.call import Answer, Call
from services.api.metrics import REPLAYS
from services.api.parts import Parts
from services.api.route import Route
from services.api.tokens import ACCESS
from services.common.contracts.errors import Conflict, Malformed, Unauthenticated

View = Callable[..., Response]
_WAIT = re.compile(r"\bwait=(\d{1,3})\b")


class _Undone(Exception):
    """Carries a dry run's answer out of the transaction it rolls back."""

    def __init__(self, answer: Answer):
        super().__init__("dry run")
        self.answer = answer


def admitted(route: Route, parts: Parts, view: View) -> View:
    """`view`, entered only by those the route is for; the body is not even read for others."""

    @wraps(view)
    def enter(**path: Any) -> Response:
        if route.role > Role.PUBLIC:
            _admit(route, parts)
        return view(**path)

    return enter


def _admit(route: Route, parts: Parts) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("send Authorization: Bearer <access token>; POST /v1/auth/token gives one")
    claims = parts.tokens.read(token.strip(), ACCESS)
    with parts.database.look() as db:
        if route.project:
            g.caller, g.place = identity.who_and_where(db, claims, request.headers.get("X-Project", ""))
        else:
            g.caller = identity.who(db, claims)
    g.budget = parts.limits.request(g.caller.id)
    demand(g.caller.rank_in(g.place) if route.project else g.caller.rank, route.role)


def handled(route: Route, parts: Parts) -> View:
    """The view that calls the route's handler; parsed query and body come as arguments, in this order."""

    def view(*parsed: Any, **path: Any) -> Response:
        call = _call(route, parts, parsed, path)
        if route.prepare is not None:
            call.prepared = route.prepare(call)
        answer = (
            _streamed(route, call) if route.streams else _read(route, call) if route.reads else _changed(route, call)
        )
        if isinstance(answer, Response):
            return answer
        if answer.after is not None:
            answer = answer.after(answer)
        if call.query.get("wait") and answer.status == 202:
            answer = waiting.waited(call, answer, call.query["wait"])
        return _response(call, answer)

    return view


def _call(route: Route, parts: Parts, parsed: tuple[Any, ...], path: dict[str, Any]) -> Call:
    call = Call(
        parts=parts,
        path={k: str(v) for k, v in path.items()},
        now=time.time(),
        trace_id=g.trace_id,
        query=parsed[0] if route.query is not None else {},
        body=parsed[-1] if route.body is not None else {},
        headers=request.headers,
        address=request.remote_addr or "",
        caller=g.get("caller"),
        place=g.get("place"),
    )
    if route.takes:
        request.max_content_length = sys.maxsize  # passed on as it comes, never held; None would be the default
        call.stream = request.stream
    preferred = _WAIT.search(request.headers.get("Prefer", ""))
    if preferred and not route.reads and call.query.get("wait") is None:
        call.query["wait"] = min(60.0, float(preferred[1]))
    key = request.headers.get("Idempotency-Key", "") if route.idempotent else ""
    if len(key) > idempotency.LONGEST_KEY or "\x00" in key:
        raise Malformed(f"an Idempotency-Key has at most {idempotency.LONGEST_KEY} characters")
    if key and not call.dry_run:
        call.key = key
        secret = parts.keys.seal_key
        call.key_hash = idempotency.hash_of(secret, request.method, request.path, request.get_data(cache=True))
    return call


def _streamed(route: Route, call: Call) -> Any:
    return route.handler(call)


def _read(route: Route, call: Call) -> Answer:
    with call.parts.database.read() as db:
        return _answer(route.handler(call, db))


def _changed(route: Route, call: Call) -> Answer:
    try:
        return _once(route, call)
    except IntegrityError:
        # Somebody holds the name, the address or the key: look again and say who.
        call.careful = True
        return _told_apart(route, call)
    except Conflict as error:
        if call.key and not error.again:
            return _told_apart(route, call)
        raise


def _told_apart(route: Route, call: Call) -> Answer:
    """A second try: finds the finished answer of a request with the same key, or says what is in the way."""
    try:
        return _once(route, call)
    except IntegrityError as error:
        raise Conflict("somebody else changed the same thing at the same moment; look again") from error


def _once(route: Route, call: Call) -> Answer:
    try:
        with call.parts.database.write() as db:
            kept = idempotency.recall(db, call) if call.key else None
            if kept is not None:
                REPLAYS.inc()
                return kept
            answer = _answer(route.handler(call, db))
            if call.dry_run:
                db.flush()
                raise _Undone(answer)
            if call.key:
                idempotency.remember(db, call, answer)
        return answer
    except _Undone as undone:
        body = undone.answer.body if isinstance(undone.answer.body, dict) else {}
        return Answer({**body, "dry_run": True}, 200, {}, undone.answer.after)


def _answer(found: Any) -> Answer:
    return found if isinstance(found, Answer) else Answer(found)


def _response(call: Call, answer: Answer) -> Response:
    if answer.body is None:
        return Response(status=answer.status, headers=dict(answer.headers))
    text = json.dumps(answer.body, separators=(",", ":"), default=str)
    headers = dict(answer.headers)
    if answer.status < 300:
        body = answer.body
        tag = body.get("etag") if isinstance(body, dict) else None
        if tag is None and request.method == "GET":
            tag = etags.of_text(text)
        if tag:
            headers["ETag"] = f'"{tag}"'
            if request.method == "GET" and etags.unchanged(request.headers.get("If-None-Match", ""), tag):
                return Response(status=304, headers=headers)
    return Response(text, status=answer.status, headers=headers, mimetype="application/json")
