# SPDX-License-Identifier: Apache-2.0
"""What a test needs and this machine lacks: the test fails in CI, and skips, saying so, on a person's machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from deploy.local.servers import ServerError


def missing(what: str) -> NoReturn:
    """End the test; `what` names the part and how to get it."""
    if os.environ.get("CI"):
        pytest.fail(f"MISSING: {what}")
    pytest.skip(f"MISSING: {what}")


@contextmanager
def servers_needed() -> Iterator[None]:
    """A server started in the block may be missing; any other error of a server stays one."""
    try:
        yield
    except ServerError as error:
        if "isn't installed" in str(error):
            missing(str(error))
        raise
