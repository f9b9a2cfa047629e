# SPDX-License-Identifier: Apache-2.0
"""`inn admin audit` lists what nobody owns, and its exit code says whether there is any."""

from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn

READ = {"id": "h1", "name": "alpha", "state": "up", "read": True, "note": "", "things": 7}
UNREAD = {"id": "h2", "name": "beta", "state": "down", "read": False, "note": "it is down", "things": 0}
ORPHAN = {"kind": "vm", "name": "lost-1", "host": "alpha", "vm": None, "reason": "there is no such vm"}

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.mark.parametrize(
    ("hosts", "orphans", "code", "said"),
    [
        ([READ], [], 0, "Everything is owned: 7 things on 1 hosts."),
        ([READ], [ORPHAN], 1, "there is no such vm"),
        ([READ, UNREAD], [], 9, "beta was not read: it is down"),
        ([READ, UNREAD], [ORPHAN], 1, "lost-1"),
    ],
)
def test_the_exit_code_says_what_was_found(
    api: CannedApi, command: Inn, hosts: list[Any], orphans: list[Any], code: int, said: str
) -> None:
    complete = all(host["read"] for host in hosts)
    api.on("GET /v1/audit/orphans", Reply(200, {"complete": complete, "hosts": hosts, "orphans": orphans}))
    outcome = command("admin", "audit")
    assert outcome.exit_code == code, outcome.output
    assert said in outcome.stdout
