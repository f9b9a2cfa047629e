# SPDX-License-Identifier: Apache-2.0
"""What a refusal must look like, and what must not have changed by it."""

import json
from typing import Any

from sqlalchemy import func, select
from werkzeug.test import TestResponse

from services.common.store.base import Base
from tests.support.front_door import Api


def problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem document, which must be one of this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.text)
    assert found["code"] == code
    assert found["status"] == status
    assert found["type"] == f"urn:innkeeper:error:{code}"
    assert found["trace_id"] == answer.headers["X-Request-ID"]
    return found


def counts(api: Api) -> dict[str, int]:
    """How many rows each table has."""
    with api.database.read() as db:
        tables = Base.metadata.sorted_tables
        return {t.name: db.scalar(select(func.count()).select_from(t)) or 0 for t in tables}
