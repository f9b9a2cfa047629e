# SPDX-License-Identifier: Apache-2.0
"""What the pages about alerts ask the database, it can answer."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

PAGES = Path(__file__).resolve().parents[3] / "docs" / "operations" / "alerts"


def test_every_query_of_a_page_is_understood_by_the_database(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = make_url(request.getfixturevalue("postgres_installations").new(tmp_path))
    queries = [
        query
        for page in sorted(PAGES.glob("*.md"))
        for block in re.findall(r"^```sql\n(.*?)^```$", page.read_text(), re.S | re.M)
        for query in block.splitlines()
    ]
    assert len(queries) > 5
    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        for query in queries:
            connection.exec_driver_sql(f"EXPLAIN {query.replace('%', '%%')}")
    engine.dispose()
