# SPDX-License-Identifier: Apache-2.0
"""/openapi.json and /docs: the contract, and a page to browse and try it, whole from this server."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import flask_swagger_ui
from apispec import APISpec
from flask import Flask, Response, send_from_directory

from services.api.access import Role
from services.api.problems import MEDIA_TYPE
from services.api.route import Route

ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Innkeeper API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui", deepLinking: true, persistAuthorization: true,
 docExpansion: "none", tryItOutEnabled: true})</script>
</body></html>
"""


def register(app: Flask, spec: APISpec, routes: Iterable[Route]) -> None:
    """Add the page, its assets, and the document, which is written once."""
    document = json.dumps(completed(spec.to_dict(), routes), separators=(",", ":"), sort_keys=True)

    def openapi() -> Response:
        return Response(document, mimetype="application/json")

    def page() -> Response:
        return Response(_PAGE, mimetype="text/html")

    def asset(name: str) -> Response:
        return send_from_directory(ASSETS, name, max_age=86400)

    app.add_url_rule("/openapi.json", "openapi", openapi, methods=["GET"])
    app.add_url_rule("/docs", "docs", page, methods=["GET"])
    app.add_url_rule("/docs/assets/<path:name>", "docs_asset", asset, methods=["GET"])


def completed(document: dict[str, Any], routes: Iterable[Route]) -> dict[str, Any]:
    """The generated document, with the headers each route looks at and the real media type of errors."""
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        operation.setdefault("parameters", []).extend(_headers(route))
    for answer in document["components"].get("responses", {}).values():
        answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
    return document


def _headers(route: Route) -> Iterator[dict[str, Any]]:
    if route.project and route.role > Role.PUBLIC:
        yield _header("X-Project", "The project by name or id; left out: your first")
    if route.method == "POST" and route.idempotent:
        yield _header("Idempotency-Key", "Your own word for this request; sent again it gets the same answer")
    if route.takes:
        yield _header("Content-Range", "Where this piece belongs: bytes FIRST-LAST/SIZE; left out: it is all of it")
    if route.method in ("PATCH", "DELETE"):
        yield _header("If-Match", "The ETag of what you read; where it changed since, nothing is done")


def _header(name: str, meaning: str) -> dict[str, Any]:
    return {"in": "header", "name": name, "description": meaning, "schema": {"type": "string"}}
