# SPDX-License-Identifier: Apache-2.0
"""A host's agent is killed at every point of every verb, and started again: all ends as if nothing had been."""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import services.hostagent
from services.common.contracts.commands import Verb
from services.common.contracts.flow import FLOWS
from services.common.contracts.orders import VERBS
from services.common.store.database import Database
from services.common.store.models import AddressLease, Claim, Snapshot
from services.hostagent.drivers.fake.state import FakeState, FakeVolume, read_state
from tests.e2e.conftest import orphans
from tests.support.stack import Stack

pytestmark = pytest.mark.e2e
_POINT = re.compile(r'hit\("(agent\.[a-z-]+)"\)')
NIC = {"network": "lab", "addresses": ["10.78.0.50/24"]}


def points() -> set[str]:
    """After each verb that a job may send, before it is told, and all that the agent and the fake driver name."""
    agent = Path(services.hostagent.__file__).parent
    files = [path for path in agent.rglob("*.py") if not {"libvirt", "vsphere"} & set(path.parts)]
    named = {point for path in files for point in _POINT.findall(path.read_text())}
    verbs = {*VERBS.values(), Verb.DROP_VOLUME}
    return named | {f"agent.after.{verb}" for verb in verbs}


def at_host(stack: Stack) -> FakeState:
    """What the fake host says it has."""
    return read_state(stack.directory / "agent-fake-1" / "fake.json")


class Life:
    """What is done with a vm, one verb after the other, each seen to end well and to have done each step once."""

    def __init__(self, stack: Stack, name: str, **spec: Any) -> None:
        self._stack = stack
        self.vm = self._ended(stack.create(name, **spec))["vm"]["id"]

    def do(self, verb: str, body: Any = None, state: str = "", method: str = "POST") -> dict[str, Any]:
        """The answer to a verb; afterwards the vm is in that state."""
        path = verb if verb.startswith("/") else f"/v1/vms/{self.vm}/{verb}"
        answer = self._stack.http.request(method, path, json=body, headers={"Prefer": "wait=50"})
        assert answer.is_success, answer.text
        found = self._ended(answer.json())
        if state:
            assert self._stack.vm(self.vm)["state"] == state
        return found

    def end(self) -> None:
        self._ended(self._stack.http.delete(f"/v1/vms/{self.vm}").raise_for_status().json())

    def _ended(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._stack.finish(asked["job"]["id"], 120)
        assert job["state"] == "succeeded", job
        told = [event["step"] for event in self._stack.events(job["id"]) if event["kind"] == "step.finished"]
        assert len(told) == len(set(told)), (job["kind"], told)
        assert set(told) <= {step.name for step in FLOWS[job["kind"]].steps}
        return asked


def turned_on_and_off(stack: Stack) -> None:
    life = Life(stack, "power", volumes=[{"name": "first", "size_gib": 1}])
    for verb, state in (("reboot", "ready"), ("reset", "ready"), ("suspend", "suspended"), ("resume", "ready")):
        life.do(verb, state=state)
    life.do("resize", {"vcpus": 2})
    for verb, state in (("stop", "stopped"), ("start", "ready"), ("force-stop", "stopped")):
        life.do(verb, state=state)
    there = at_host(stack).vms[life.vm]
    # Booted by four of them; of these a reset alone is done again, where the agent dies before it can note it.
    assert (there.vcpus, 4 <= there.boots <= 6) == (2, True)
    life.end()


def copied(stack: Stack) -> None:
    life = Life(stack, "copied")
    life.do("stop", state="stopped")
    copy = life.do("clone", {"name": "copy"})["vm"]["id"]
    assert stack.vm(copy)["state"] == "stopped"
    life.do(f"/v1/vms/{copy}", method="DELETE")
    life.end()


def kept_and_made_anew(stack: Stack) -> None:
    life = Life(stack, "kept")
    snapshot = life.do("snapshots", {"name": "then"})["snapshot"]["id"]
    assert [one.id for one in at_host(stack).vms[life.vm].snapshots] == [snapshot]
    life.do(f"snapshots/{snapshot}/revert", state="ready")
    life.do(f"snapshots/{snapshot}", method="DELETE")
    assert at_host(stack).vms[life.vm].snapshots == ()
    life.do("rebuild", state="ready")
    life.end()


def plugged(stack: Stack) -> None:
    life = Life(stack, "plugged")
    volume = life.do("volumes", {"name": "data", "size_gib": 2})["volume"]["id"]
    life.do(f"volumes/{volume}/grow", {"size_gib": 3})
    assert at_host(stack).volumes[volume] == FakeVolume(volume, 3, life.vm)
    life.do(f"volumes/{volume}?keep=true", method="DELETE")
    life.do(f"/v1/volumes/{volume}", method="DELETE")
    mac = life.do("nics", NIC)["nic"]["mac"]
    assert [nic.mac for nic in at_host(stack).vms[life.vm].nics].count(mac) == 1
    life.do(f"nics/{mac}", method="DELETE")
    life.end()


@pytest.fixture
def died_at(stack: Stack, host: str) -> Iterator[Path]:
    """A note of the points at which the host's agent was killed; each is armed, and it comes back every time."""
    agent, note = stack.processes["agent-fake-1"], stack.directory / "died-at"
    whole = agent.argv
    agent.stop()
    agent.argv = [sys.executable, "-m", "tests.support.respawning", "fake"]
    agent.start(INNKEEPER_FAILPOINT=" ".join(sorted(points())), INNKEEPER_FAILPOINT_LOG=str(note))
    yield note
    agent.stop()
    agent.argv = whole
    agent.start()


def books(stack: Stack, host: str) -> tuple[Any, ...]:
    """All that is counted, here and there."""
    database = Database(stack.env["INNKEEPER_DATABASE_URL"])
    with database.read() as session:
        held = [session.scalar(select(func.count()).select_from(table)) for table in (Claim, AddressLease, Snapshot)]
    database.close()
    held.append(len(stack.http.get("/v1/volumes").json()["items"]))
    there = at_host(stack)
    files = [
        sorted(path.name for path in (stack.directory / "agent-fake-1" / name).iterdir()) for name in ("vms", "volumes")
    ]
    return held, stack.host(host)["used"], sorted(there.vms), sorted(there.volumes), files


def test_verbs_end_well_whatever_the_agent_is_killed_at(stack: Stack, host: str, died_at: Path) -> None:
    before = books(stack, host)
    with ThreadPoolExecutor(4) as pool:
        for life in [pool.submit(one, stack) for one in (turned_on_and_off, copied, kept_and_made_anew, plugged)]:
            life.result()
    assert set(died_at.read_text().split()) == points()
    assert books(stack, host) == before
    assert orphans(stack) == []
