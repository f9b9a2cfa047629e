# SPDX-License-Identifier: Apache-2.0
"""Nobody waits for machine code: until it is there decisions are made without it, and they are the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import HostTable
from services.scheduler.engine.warm import Warmth
from services.scheduler.engines import KEPT, Engines
from tests.support.missing import missing
from tests.support.placing import SHELF, a_host, a_request, plain_policy
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def _numba() -> None:
    if not COMPILES:
        missing("Numba; install the extra scheduler-fast")


def test_decisions_go_on_without_machine_code_until_it_is_there() -> None:
    warmth = Warmth()
    engines = Engines(HostTable([a_host("a", used_vcpus=8), a_host("b")]), warmth)
    cold = engines.of(SHELF.get())
    assert not cold.plan.compiles
    told = cold.explain(a_request())
    warmth.start()
    until(lambda: warmth.there, 300, "machine code")
    warm = engines.of(SHELF.get())
    assert warm.plan.compiles
    assert warm.explain(a_request()) == told
    assert engines.of(SHELF.get()) is warm


def test_engines_of_policies_nobody_asked_for_lately_are_forgotten() -> None:
    engines = Engines(HostTable([a_host("a")]), Warmth())
    policies = [plain_policy("spread", f"{{cpu: {n}.0}}") for n in range(1, KEPT + 2)]
    first = engines.of(policies[0])
    for policy in policies[1:KEPT]:
        engines.of(policy)
    assert engines.of(policies[0]) is first
    engines.of(policies[KEPT])
    assert engines.of(policies[0]) is not first


def test_where_nothing_can_be_written_machine_code_is_kept_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    told = subprocess.run(
        [sys.executable, "-c", "from services.scheduler.engine.jit import FOLDER; print(repr(FOLDER))"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert told.stdout.strip() == "''"


def test_machine_code_that_isnt_there_yet_is_made_by_another_process_and_kept(tmp_path: Path) -> None:
    program = """
from pathlib import Path
from services.scheduler.engine import warm
from services.scheduler.engine.jit import FOLDER
real = warm.warm
def loaded():
    print(len(list(Path(FOLDER).iterdir())), flush=True)
    return real()
warm.warm = loaded
warmth = warm.Warmth()
warmth._make()
print(warmth.there)
"""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    files, there = told.stdout.split()
    assert (int(files) > 0, there) == (True, "True")
