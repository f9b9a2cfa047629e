# SPDX-License-Identifier: Apache-2.0
"""The agent's process on a real broker: killed at every point, cut off, restarted. The outcome is always one vm."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from services.common.contracts.commands import Verb
from services.common.contracts.errors import TryAgain
from services.common.contracts.events import AgentEventKind as K
from services.common.runtime.bus import BROKER_AWAY
from tests.integration.hostagent.conftest import Station
from tests.support.hypervisor import a_vm, plan
from tests.support.waiting import until

Make = Callable[..., Station]
POINTS = {
    "agent.before-ledger": Verb.DEPLOY,
    "agent.after-ledger": Verb.DEPLOY,
    "agent.before-define": Verb.DEPLOY,
    "agent.after-define": Verb.DEPLOY,
    "agent.before-start": Verb.START,
    "agent.after-start": Verb.START,
    "agent.before-note-done": Verb.REBOOT,
    "agent.after-note-done": Verb.REBOOT,
    "agent.before-tombstone": Verb.ERASE,
    "agent.after-tombstone": Verb.ERASE,
    "agent.before-undefine": Verb.ERASE,
    "agent.after-undefine": Verb.ERASE,
    "agent.after-remove-files": Verb.ERASE,
    "agent.before-report": Verb.DEPLOY,
}


def fake_vms(station: Station) -> list[str]:
    path = station.directory / "a/fake.json"
    return list(json.loads(path.read_text())["vms"]) if path.exists() else []


def test_commands_are_carried_out_with_an_agents_rights_only(station: Make) -> None:
    here, vm = station(), a_vm()
    assert here.do(Verb.DEPLOY, vm, plan=plan(vm)).kind is K.DONE
    assert here.do(Verb.START, vm).kind is K.DONE
    until(lambda: here.said(vm, "report"), 10, "the guest's report")
    until(lambda: here.heard(K.HEARTBEAT) and here.heard(K.INVENTORY), 15, "heartbeat and inventory")
    assert "password" not in here.process.tail()


@pytest.mark.parametrize("point", sorted(POINTS))
def test_killed_anywhere_it_ends_as_if_nothing_had_been(station: Make, point: str) -> None:
    here, vm = station(), a_vm()
    here.process.kill()
    here.start(INNKEEPER_FAILPOINT=point)
    steps = [(Verb.DEPLOY, plan(vm)), (Verb.START, None), (Verb.REBOOT, None), (Verb.ERASE, None)]
    for verb, made in steps:
        command = here.command(verb, vm, fence=2 if verb is Verb.ERASE else 1, plan=made)
        here.send(command)
        if verb is POINTS[point]:
            until(here.process.ended, 20, f"the kill at {point}\n{here.process.tail()}")
            here.start()
        assert here.answer(command).kind is K.DONE
        assert fake_vms(here) == ([] if verb is Verb.ERASE else [vm])
    assert list((here.directory / "a/vms").iterdir()) == []


def test_every_point_in_the_agents_own_code_is_tried() -> None:
    # Those of a driver's verbs are tried for every driver, without a process: tests/contract/drivers/test_every_verb.py
    own, fake = set(), set()
    agent = Path(__file__).parents[3] / "services/hostagent"
    for path in agent.rglob("*.py"):
        points = set(re.findall(r'hit\("([^"]+)"\)', path.read_text()))
        if path.is_relative_to(agent / "drivers" / "fake"):
            fake |= points
        elif not path.is_relative_to(agent / "drivers") and path.name != "artifacts.py":
            own |= points
    assert own <= set(POINTS) <= own | fake


def test_a_broker_that_was_away_hears_what_happened_meanwhile(station: Make) -> None:
    here, vm = station(fake={"deploy_s": 1.0}), a_vm()
    # A quorum queue that is killed in its first seconds takes RabbitMQ a minute to recover; hosts' queues are older.
    until(lambda: len(here.heard(K.HEARTBEAT)) > 1, 15, "a queue that is not brand-new")
    command = here.command(Verb.DEPLOY, vm, plan=plan(vm))
    here.send(command)
    here.rabbit.kill()
    until(lambda: fake_vms(here) == [vm], 10, "the vm, made without a broker")
    here.rabbit.start()
    _again(here)
    assert here.answer(command).kind is K.DONE


def test_a_wiped_broker_is_found_again(station: Make) -> None:
    here, vm = station(), a_vm()
    here.rabbit.wipe()
    here.rabbit.start()
    _again(here)
    assert here.do(Verb.DEPLOY, vm, plan=plan(vm)).kind is K.DONE


def test_sigterm_ends_it_in_order(station: Make) -> None:
    here, vm = station(fake={"deploy_s": 1.0}), a_vm()
    command = here.command(Verb.DEPLOY, vm, plan=plan(vm))
    here.send(command)
    until(lambda: (here.directory / "a/ledger.sqlite").exists(), 5, "the ledger")
    here.process._signal(signal.SIGTERM)
    assert here.process._child is not None
    assert here.process._child.returncode == 0
    here.start()
    assert here.answer(command).kind is K.DONE


def _again(here: Station) -> None:
    """The control plane mends its topology as soon as it can."""

    def mended() -> bool:
        try:
            here.rights()
        except (*BROKER_AWAY, TryAgain):
            return False
        return True

    until(mended, 30, "the topology mended")
