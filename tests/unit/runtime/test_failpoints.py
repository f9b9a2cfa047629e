# SPDX-License-Identifier: Apache-2.0
"""Where a process kills itself: at each armed point once, at the passage that was named, and nowhere else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PASSES = "from services.common.runtime.failpoints import hit\nfor name in 'a', 'b', 'a', 'c': hit(name); print(name)"


def passed(armed: str, log: Path) -> tuple[int, list[str]]:
    """How a process ended that passes a, b, a and c, and which it got through."""
    env = {**os.environ, "INNKEEPER_FAILPOINT": armed, "INNKEEPER_FAILPOINT_LOG": str(log)}
    done = subprocess.run([sys.executable, "-uc", PASSES], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split()


def test_each_armed_point_ends_one_process_after_the_other_and_then_none(tmp_path: Path) -> None:
    log = tmp_path / "died-at"
    dead = -signal.SIGKILL
    ends = [passed("c a:2 d", log) for _ in range(3)]
    assert ends == [(dead, ["a", "b"]), (dead, ["a", "b", "a"]), (0, ["a", "b", "a", "c"])]
    assert log.read_text().split() == ["a", "c"]


def test_nothing_armed_ends_nothing(tmp_path: Path) -> None:
    assert passed("", tmp_path / "died-at") == (0, ["a", "b", "a", "c"])
