# SPDX-License-Identifier: Apache-2.0
"""The agent's process on a real broker: cut off, ended, restarted. The outcome is always one vm.

Where it is killed is tried with the whole platform around it: tests/e2e/test_agents_killed_in_each_step.py.
"""

import json
import signal
from collections.abc import Callable

from services.common.contracts.commands import Verb
from services.common.contracts.errors import TryAgain
from services.common.contracts.events import AgentEventKind as K
from services.common.runtime.bus import BROKER_AWAY
from tests.integration.hostagent.conftest import Station
from tests.support.hypervisor import a_vm, plan
from tests.support.waiting import until

Make = Callable[..., Station]


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


def test_a_wiped_broker_is_found_again_and_what_guests_said_is_said_again(station: Make) -> None:
    here, vm, other = station(), a_vm(), a_vm()
    assert here.do(Verb.DEPLOY, vm, plan=plan(vm)).kind is K.DONE
    assert here.do(Verb.START, vm).kind is K.DONE
    until(lambda: here.said(vm, "report"), 10, "the guest's report")
    before = len(here.said(vm, "report"))
    here.rabbit.wipe()
    here.rabbit.start()
    _again(here)
    assert here.do(Verb.DEPLOY, other, plan=plan(other)).kind is K.DONE
    # The first may have been confirmed by the broker, and read by nobody before it was wiped.
    until(lambda: len(here.said(vm, "report")) > before, 15, "the report again")


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
