# SPDX-License-Identifier: Apache-2.0
"""/openapi.json and /docs: the contract, and a page to browse and try it, whole from this server."""

import json
from pathlib import Path

import flask_swagger_ui
from apispec import APISpec
from flask import Flask, Response, send_from_directory

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


def register(app: Flask, spec: APISpec) -> None:
    """Add the page, its assets, and the document, which is written once."""
    document = json.dumps(spec.to_dict(), separators=(",", ":"), sort_keys=True)

    def openapi() -> Response:
        return Response(document, mimetype="application/json")

    def page() -> Response:
        return Response(_PAGE, mimetype="text/html")

    def asset(name: str) -> Response:
        return send_from_directory(ASSETS, name, max_age=86400)

    app.add_url_rule("/openapi.json", "openapi", openapi, methods=["GET"])
    app.add_url_rule("/docs", "docs", page, methods=["GET"])
    app.add_url_rule("/docs/assets/<path:name>", "docs_asset", asset, methods=["GET"])
