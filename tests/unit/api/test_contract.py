# SPDX-License-Identifier: Apache-2.0
"""What is written down about the API is what the code does."""

import json
import re
from pathlib import Path

from services.api import problems
from services.api.openapi import document
from services.api.routes import ROUTES
from services.common.contracts import errors
from services.common.contracts.errors import InnkeeperError

DOCS = Path(__file__).resolve().parents[3] / "docs"
_ROW = re.compile(r"^\| `([a-z-]+)` \| (\d+|as it is) \| (yes|no) \|", re.M)


def known_codes() -> dict[str, tuple[str, str]]:
    """code -> (status, again), of our own errors and of those of the HTTP server."""
    ours = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, InnkeeperError)]
    found = {e.code: (str(e.status), "yes" if e.again else "no") for e in ours}
    for status, (code, _) in problems.HTTP_CODES.items():
        found.setdefault(code, (str(status), "no"))
    return {**found, "http-error": ("as it is", "no")}


def test_every_error_code_is_described_with_its_status_and_nothing_else_is() -> None:
    rows = _ROW.findall((DOCS / "errors.md").read_text())
    assert {code: (status, again) for code, status, again in rows} == known_codes()
    assert len(rows) == len(known_codes())


def test_the_written_contract_is_the_code_s() -> None:
    written = json.loads((DOCS / "openapi.json").read_text())
    assert written == document(), "write it anew: make openapi"


def test_every_route_is_in_the_guide() -> None:
    guide = (DOCS / "api.md").read_text()
    named = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`? ]+)`", guide))
    assert named == {(route.method, route.path) for route in ROUTES}


def test_every_operation_names_its_schemas_and_its_refusals() -> None:
    found = document()
    for route in ROUTES:
        operation = found["paths"][route.path][route.method.lower()]
        assert operation["summary"], route
        assert "default" in operation["responses"]
        assert ("requestBody" in operation) == (route.body is not None or bool(route.takes))
        given = {p["name"] for p in operation.get("parameters", [])}
        if route.query is not None:
            assert {field.data_key or name for name, field in route.query.fields.items()} <= given
        assert ("Idempotency-Key" in given) == (route.method == "POST" and route.idempotent)
    refusal = found["components"]["responses"]["DEFAULT_ERROR"]["content"]
    assert list(refusal) == ["application/problem+json"]
