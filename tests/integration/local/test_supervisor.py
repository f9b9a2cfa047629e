# SPDX-License-Identifier: Apache-2.0
"""What the supervisor keeps: order, restarts, a true state file, and nothing left running after its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ending import end_all
from deploy.local.home import CHECKOUT, Home
from deploy.local.pid import Pid, wait_gone
from deploy.local.processes import SERVICES, table
from deploy.local.state import State, marked
from deploy.local.supervisor import end_leftovers
from tests.support.waiting import until

# A stack of small shell processes: `first` is a one-shot, `second` has a child of its own, `third` needs a file.
_PROGRAM = """
import sys
from pathlib import Path
from deploy.local.spec import Spec
from deploy.local.supervisor import Supervisor
root = Path(sys.argv[1])
env = {"PATH": "/usr/bin:/bin"}
def sh(name, script, **more):
    return Spec(name, ["/bin/sh", "-c", script], env, root / (name + ".log"), cwd=root, **more)
table = [
    sh("first", sys.argv[2], once=True),
    sh("second", "echo begun >> second.runs; sleep 999 & touch up; wait", after=("first",), ready=(root / "up").exists),
    sh("third", "sleep 1000", after=("second",), needs=root / "wanted"),
    sh("thorough", "trap 'sleep 3; touch finished; exit' TERM; sleep 999 & touch hears; wait",
       grace=20.0, ready=(root / "hears").exists),
    sh("stubborn", "trap '' TERM; touch deaf; while :; do sleep 1; done", grace=0.3, ready=(root / "deaf").exists),
]
sys.exit(Supervisor(table, root / "state.json", root).run())
"""


class Stack:
    """A supervisor in a process of its own."""

    def __init__(self, root: Path, first: str = "true") -> None:
        self.root = root
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        self.popen = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(root), first], env=env)

    @property
    def state(self) -> State:
        return State.load(self.root / "state.json")

    def pid(self, name: str) -> Pid:
        found = self.state.processes[name].pid
        assert found is not None
        return found

    def is_running(self) -> bool:
        return self.state.phase == "running"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.popen.kill()
    stack.popen.wait()
    end_leftovers(tmp_path / "state.json", tmp_path)


def test_processes_start_in_order_and_end_with_all_they_started(stack: Stack) -> None:
    until(stack.is_running)
    assert {n: p.state for n, p in stack.state.processes.items()} == {
        "first": "done",
        "second": "ready",
        "third": "waiting",
        "thorough": "ready",
        "stubborn": "ready",
    }
    everyone = marked(stack.root)
    assert len(everyone) >= 4
    stack.popen.send_signal(signal.SIGTERM)
    assert stack.popen.wait(20) == 0
    assert not [pid for pid in everyone if pid.alive()]
    assert stack.state.phase == "stopped"


def test_the_end_waits_for_whoever_finishes_and_says_for_whom(stack: Stack) -> None:
    until(stack.is_running)
    said: list[str] = []
    supervisor = stack.state.supervisor
    assert supervisor is not None
    reaper = threading.Thread(target=stack.popen.wait)
    reaper.start()
    end_all(stack.root / "state.json", supervisor, said.append)
    reaper.join()
    assert (stack.root / "finished").exists()
    assert said == ["  thorough: finishing what is in hand", "  stubborn: killed, since the time to finish was over"]
    assert stack.state.phase == "stopped"


@pytest.mark.parametrize("name", ["api", *SERVICES])
def test_every_service_gets_as_long_as_its_settings_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("INNKEEPER_GRACE_S", "40")
    monkeypatch.setenv("INNKEEPER_API_DRAIN_S", "3")
    home = Home(tmp_path / "stack", CHECKOUT)
    home.make()
    (spec,) = [spec for spec in table(home) if spec.name == name]
    assert spec.env["INNKEEPER_GRACE_S"] == "40"
    assert spec.grace > 43


def test_a_killed_process_starts_again_and_its_children_do_not_stay(stack: Stack) -> None:
    until(stack.is_running)
    second = stack.pid("second")
    children = [pid for pid in stack.state.processes["second"].members if pid != second]
    assert children
    second.send(signal.SIGKILL)
    until(lambda: stack.state.processes["second"].restarts == 1 and stack.state.processes["second"].state == "ready")
    assert stack.pid("second") != second
    assert not wait_gone(children, 5)
    assert (stack.root / "second.runs").read_text().count("begun") == 2


def test_a_process_that_needs_a_file_starts_once_it_is_there(stack: Stack) -> None:
    until(stack.is_running)
    (stack.root / "wanted").touch()
    until(lambda: stack.state.processes["third"].state == "ready")


def test_after_a_kill_of_the_supervisor_the_leftovers_are_found_and_ended(stack: Stack) -> None:
    until(stack.is_running)
    stranger = subprocess.Popen(["sleep", "1000"])
    everyone = marked(stack.root)
    stack.popen.kill()
    stack.popen.wait()
    assert not stack.state.running()
    assert set(everyone) - {Pid.of(stack.popen.pid)} <= set(end_leftovers(stack.root / "state.json", stack.root))
    assert not wait_gone(everyone, 5)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_failed_one_shot_ends_the_stack_and_is_explained(tmp_path: Path) -> None:
    stack = Stack(tmp_path, "echo no such table; exit 3")
    assert stack.popen.wait(20) == 1
    assert stack.state.phase == "failed"
    assert "first ended with 3" in stack.state.error
    assert "no such table" in stack.state.error
    assert not marked(tmp_path)
