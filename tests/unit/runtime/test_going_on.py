# SPDX-License-Identifier: Apache-2.0
"""What nobody foresaw is logged and outlived; what was foreseen is the caller's, and an order to end is obeyed."""

import logging

import pytest

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger

LOG = get_logger("going-on")


def test_an_unforeseen_error_is_logged_with_its_traceback_and_outlived(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), going_on(LOG, "the work broke off", vm="v1") as course:
        raise ZeroDivisionError("nobody thought of that")
    assert course.broke
    assert [(r.getMessage(), r.exc_info is not None) for r in caplog.records] == [("the work broke off", True)]


def test_work_that_ends_well_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with going_on(LOG, "the work broke off") as course:
        pass
    assert not course.broke
    assert not caplog.records


def test_foreseen_errors_and_orders_to_end_pass() -> None:
    with pytest.raises(OSError, match="foreseen"), going_on(LOG, "work", (OSError,)):
        raise OSError("foreseen")
    with pytest.raises(KeyboardInterrupt), going_on(LOG, "work"):
        raise KeyboardInterrupt
