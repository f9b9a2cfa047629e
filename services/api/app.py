# SPDX-License-Identifier: Apache-2.0
"""The one place where the API is put together: parts, routes, documentation, error answers."""

import gzip
import re
import time
from typing import Any

import flask_smorest
import redis
from flask import Flask, Response, g, request
from flask_smorest import Blueprint

from services.api import docs_page, problems
from services.api.gate import admitted, handled
from services.api.limits import Limits
from services.api.metrics import REQUESTS
from services.api.parts import Parts
from services.api.passwords import Passwords
from services.api.reading import Reader
from services.api.route import Route
from services.api.routes import ROUTES
from services.api.schemas.pieces import ProblemDocument
from services.api.tokens import Tokens
from services.api.uii import routes as uii
from services.common.catalog import systems
from services.common.contracts.ids import new_id
from services.common.runtime import tracing
from services.common.runtime.broker_admin import BrokerAdmin
from services.common.runtime.feed import Feed
from services.common.runtime.keys import Keys
from services.common.runtime.log import bind, get_logger
from services.common.runtime.settings import Settings
from services.common.store.database import Database

log = get_logger(__name__)
VERSION = "1"
LARGEST_BODY = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_WORTH_ZIPPING = 2048
_JOB = re.compile(r"/v1/jobs/([0-9a-f-]{36})")


def create_app(settings: Settings, database: Database, keys: Keys | None = None, feed: Feed | None = None) -> Flask:
    """The application; `keys` are loaded from settings.keys_dir where they are not given."""
    parts = _parts(settings, database, keys or Keys.load(settings.keys_dir), feed)
    app = Flask("services.api", static_folder=None)
    app.config.update(
        API_TITLE="Innkeeper",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.extensions["innkeeper"] = parts
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_unbind)
    api = _Api(app, spec_kwargs={"info": {"description": "Virtual machines on any mix of hypervisors."}})
    api.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    for blueprint in _blueprints(parts):
        api.register_blueprint(blueprint)
    app.register_blueprint(uii.blueprint(parts))
    docs_page.register(app, api.spec, ROUTES)
    problems.register(app)
    return app


def _parts(settings: Settings, database: Database, keys: Keys, feed: Feed | None) -> Parts:
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    return Parts(
        settings=settings,
        database=database,
        keys=keys,
        feed=feed or Feed(settings.redis_url),
        redis=client,
        tokens=Tokens(keys.jwt_current[0], keys.jwt_all),
        passwords=Passwords(),
        limits=Limits(client),
        systems=systems(),
        broker=BrokerAdmin(settings.broker_admin_url),
    )


class _Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest, with our problem documents as its default error."""

    ERROR_SCHEMA = ProblemDocument
    DEFAULT_RESPONSE_CONTENT_TYPE = "application/json"


class _Blueprint(Blueprint):  # type: ignore[misc]
    ARGUMENTS_PARSER = Reader()


def _blueprints(parts: Parts) -> list[Blueprint]:
    """One blueprint a chapter, in the order of the table."""
    found: dict[str, Blueprint] = {}
    for route in ROUTES:
        blueprint = found.setdefault(route.tag, _Blueprint(route.tag, "services.api"))
        rule = re.sub(r"\{(\w+)\}", r"<\1>", re.sub(r"\{(\w+_id)\}", r"<uuid:\1>", route.path))
        view = admitted(route, parts, _parsed(blueprint, route, handled(route, parts)))
        name = f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.removeprefix('/v1').lower()).strip('_')}"
        blueprint.add_url_rule(rule, name, view, methods=[route.method], provide_automatic_options=False)
    return list(found.values())


def _parsed(blueprint: Blueprint, route: Route, view: Any) -> Any:
    """The view behind flask-smorest's parsing, with everything the documentation needs."""
    view.__doc__ = route.handler.__doc__
    if route.body is not None:
        view = blueprint.arguments(route.body, location="json")(view)
    if route.query is not None:
        view = blueprint.arguments(route.query, location="query")(view)
    view = blueprint.response(route.status, route.answer, content_type=route.media)(view)
    if route.takes:
        content = {route.takes: {"schema": {"type": "string", "format": "binary"}}}
        view = blueprint.doc(requestBody={"required": True, "content": content})(view)
    secured: dict[str, Any] = {"security": [{"token": []}]} if route.role else {"security": []}
    return blueprint.doc(**secured, **{"x-role": route.role.name.lower()})(view)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.trace_id = given if _REQUEST_ID.fullmatch(given) else new_id()
    g.began = time.perf_counter()
    g.bound = bind(request=g.trace_id)
    g.bound.__enter__()


def _unbind(_error: BaseException | None) -> None:
    bound = g.pop("bound", None)
    if bound is not None:
        bound.__exit__(None, None, None)


def _finish(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unknown"
    took = time.perf_counter() - g.get("began", time.perf_counter())
    REQUESTS.labels(request.method, route, str(response.status_code)).observe(took)
    response.headers["X-Request-ID"] = g.get("trace_id", "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store" if "/auth/" in request.path else "private, no-cache")
    if "budget" in g:
        response.headers.update(g.budget.headers())
    log.info(
        "answered", method=request.method, path=request.path, status=response.status_code, ms=round(took * 1000, 1)
    )
    _traced(route, took, response)
    return _zipped(response)


def _traced(route: str, took: float, response: Response) -> None:
    """The request as a span: the root of the job it opened, where it did."""
    if not route.startswith(("/v1", "/uii")):
        return
    # An upload names the job it feeds, and an answer that is repeated the job of the first one.
    opens = request.method != "PUT" and "Idempotency-Replayed" not in response.headers
    found = _JOB.fullmatch(response.headers.get("Location", "")) if opens else None
    told = {"http.request.method": request.method, "http.route": route, "request": g.get("trace_id", "")}
    tracing.tell_request(
        f"{request.method} {route}",
        found[1] if found else "",
        took,
        request.headers.get("traceparent", ""),
        **told,
        **{"http.response.status_code": response.status_code},
    )


def _zipped(response: Response) -> Response:
    if response.is_streamed or response.direct_passthrough or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    if "gzip" not in request.headers.get("Accept-Encoding", "") or (response.content_length or 0) < _WORTH_ZIPPING:
        return response
    response.set_data(gzip.compress(response.get_data(), 1))
    response.headers["Content-Encoding"] = "gzip"
    return response
