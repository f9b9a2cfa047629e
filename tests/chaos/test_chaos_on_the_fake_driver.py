# SPDX-License-Identifier: Apache-2.0
"""A short storm in every test run; `make chaos N=40` is the long one, on real guests."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.storm import storm


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_fault_once_loses_doubles_and_leaves_nothing() -> None:
    directory = Path(mkdtemp(prefix="ikc-"))
    lines: list[str] = []
    report = storm(directory, len(FAULTS), "fake", 7, lines.append)
    assert set(report.faults) == set(FAULTS)
    assert report.verdict.clean, (report.verdict, "\n".join(lines))
    assert set(report.states) <= {"succeeded", "failed", "cancelled"}, report.states
    shutil.rmtree(directory)
