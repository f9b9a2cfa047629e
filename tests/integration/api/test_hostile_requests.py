# SPDX-License-Identifier: Apache-2.0
"""Random requests for vms, hostile anywhere in their JSON: accepted, or refused by field, and none is a defect."""

import pytest

from services.common.catalog import systems
from tests.support.arbitrary_bodies import NETWORK, a_body
from tests.support.front_door import Api

ROWS = ("debian-12", "mini", "rocky-9")
EACH = 60


@pytest.fixture(scope="module")
def anywhere(api: Api) -> None:
    api.done("admin", "POST", "/v1/networks", {"name": NETWORK, "kind": "bridge", "bridge": "br0"})


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize("row", ROWS)
def test_no_request_is_a_defect(api: Api, row: str) -> None:
    statuses = set()
    for number in range(EACH):
        body = a_body(systems()[row], number)
        if body.get("name") == "web-1":
            body["name"] = f"{row.replace('.', '-')}-{number}"
        answer = api.ask("member", "POST", "/v1/vms", body)
        statuses.add(answer.status_code)
        assert answer.status_code in {202, 409, 413, 422}, f"request {number}: {answer.text[:500]}"
        for problem in answer.json.get("errors", ()):
            assert problem["pointer"], problem
            assert problem["detail"], problem
            assert problem["fix"], problem
    assert {202, 422} <= statuses
