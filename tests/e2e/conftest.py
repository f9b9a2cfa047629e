# SPDX-License-Identifier: Apache-2.0
"""One running platform for all e2e tests of a worker process, with a roomy fake host."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import Stack, running

ENV = {"INNKEEPER_LEASE_S": "3", "INNKEEPER_ORPHAN_GRACE_S": "3"}
ROOM = {"vcpus": 64, "memory_mib": 65536, "disk_gib": 1000}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with servers_needed(), short_directory() as directory, running(directory, env=ENV) as found:
        yield found


@pytest.fixture(scope="module")
def host(stack: Stack) -> str:
    return stack.enrol("fake-1", "fake", capacity=ROOM)


def gone(stack: Stack, vm: str) -> None:
    """Delete a vm and see it gone."""
    answer = stack.http.delete(f"/v1/vms/{vm}")
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = stack.finish(answer.json()["job"]["id"])
    assert job["state"] == "succeeded", job
