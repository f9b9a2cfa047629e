# SPDX-License-Identifier: Apache-2.0
"""The sign of life of processes without HTTP."""

import os
from pathlib import Path

import pytest

from services.common.runtime import heartbeat
from tests.support.waiting import until


def test_the_file_is_there_at_once_and_touched_again(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    heartbeat.start(file, every_s=0.01)
    assert file.exists()
    os.utime(file, (1, 1))
    until(lambda: file.stat().st_mtime > 1, 5, "another beat")


def test_a_file_that_can_t_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        heartbeat.start(tmp_path / "nowhere" / "alive")


def test_nobody_need_ask_for_one() -> None:
    heartbeat.start(None)
