# SPDX-License-Identifier: Apache-2.0
"""A host that is told to sleep: it falls silent, a magic packet wakes it, and no late command puts it back to sleep."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.contracts.commands import Verb
from services.common.contracts.errors import HostFailed
from services.common.contracts.events import AgentEventKind
from services.common.contracts.ids import new_id
from services.common.runtime.signing import sign_command
from services.hostagent.nap import Nap, sleep_problems
from services.worker.magic_packet import send_magic_packet
from tests.support.hypervisor import plan
from tests.support.waiting import until
from tests.unit.hostagent.conftest import HOST, PRIVATE, Desk

MAC = "52:54:00:12:34:56"


def wake_of(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.heard(AgentEventKind.HELLO)[0].data["wake"]
    return found


def test_a_fake_host_sleeps_and_is_woken_by_a_magic_packet(desk: Desk) -> None:
    command = desk.command(Verb.SLEEP, HOST)
    desk.send(command)
    assert desk.answer(command).kind is AgentEventKind.DONE
    until(lambda: desk.agent.asleep, 10, "the host asleep")
    greeted = len(desk.heard(AgentEventKind.HELLO))
    send_magic_packet({**wake_of(desk), "mac": MAC})  # somebody else's
    send_magic_packet(wake_of(desk))
    until(lambda: len(desk.heard(AgentEventKind.HELLO)) > greeted, 10, "the host awake")
    assert not desk.agent.asleep
    desk.send(command)  # once more, as if its answer had been lost
    assert desk.answer(command, 2).kind is AgentEventKind.DONE
    assert not desk.agent.asleep


def test_a_sleeping_host_hears_no_command(desk: Desk) -> None:
    desk.do(Verb.SLEEP, HOST)
    until(lambda: desk.agent.asleep, 10, "the host asleep")
    command = desk.command(Verb.INVENTORY, HOST)
    desk.agent.take(sign_command(command, PRIVATE))
    send_magic_packet(wake_of(desk))
    until(lambda: not desk.agent.asleep, 10, "the host awake")
    assert desk.answers(command) == []


def test_a_host_with_a_running_vm_does_not_sleep(desk: Desk) -> None:
    vm = new_id()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    refused = desk.do(Verb.SLEEP, HOST)
    assert (refused.kind, refused.data["detail"]) == (AgentEventKind.FAILED, "1 vms run on this host")
    assert not desk.agent.asleep


def test_a_command_of_an_earlier_night_is_refused(desks: Callable[..., Desk]) -> None:
    desk = desks(faults=["sleep-fails"])
    assert desk.do(Verb.SLEEP, HOST, fence=2000).kind is AgentEventKind.DONE
    assert desk.do(Verb.SLEEP, HOST, fence=1000).kind is AgentEventKind.REFUSED


def test_a_host_that_wakes_slowly_or_never_is_still_silent_when_called(desks: Callable[..., Desk]) -> None:
    for habits in ({"wake_s": 60.0}, {"faults": ["wake-fails"]}):
        desk = desks(**habits)
        desk.do(Verb.SLEEP, HOST)
        until(lambda desk=desk: desk.agent.asleep, 10, "the host asleep")  # type: ignore[misc]
        send_magic_packet(wake_of(desk))
        assert desk.agent.asleep


def test_a_host_without_a_command_to_sleep_refuses() -> None:
    with pytest.raises(HostFailed, match=r"no sleep\.command"):
        Nap({}).prepare()


def test_a_real_host_runs_its_command_once_when_its_answer_is_out(tmp_path: Path) -> None:
    nap = Nap({"command": ["sh", "-c", f"echo x >> {tmp_path}/slept"]}, farewell_s=0.0)
    nap.begin()  # nobody asked for it
    nap.prepare()
    nap.begin()
    nap.begin()
    until((tmp_path / "slept").exists, 10, "the command")
    assert (tmp_path / "slept").read_text() == "x\n"


def test_the_magic_packet_is_as_cards_expect_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.bind(("127.0.0.1", 0))
        card.settimeout(5)
        send_magic_packet({"mac": MAC, "address": "127.0.0.1", "port": card.getsockname()[1]})
        assert card.recv(2048) == b"\xff" * 6 + bytes.fromhex("525400123456") * 16


GOOD = {"command": ["systemctl", "suspend"], "wake_on_lan": {"mac": MAC}}


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ([], "sleep"),
        ({}, "sleep.command"),
        ({**GOOD, "command": "systemctl suspend"}, "sleep.command"),
        ({**GOOD, "when": "night"}, "sleep.when"),
        ({"command": ["x"]}, "sleep.wake_on_lan"),
        ({**GOOD, "controller": "ilo"}, "sleep.controller"),
        ({**GOOD, "wake_on_lan": {"mac": "52-54"}}, "sleep.wake_on_lan.mac"),
        ({**GOOD, "wake_on_lan": {"mac": MAC, "port": 0}}, "sleep.wake_on_lan.port"),
        ({**GOOD, "wake_on_lan": {"mac": MAC, "address": 1}}, "sleep.wake_on_lan.address"),
    ],
)
def test_a_wrong_configuration_is_told_by_its_key(asked: Any, wrong: str) -> None:
    assert next(p.partition(":")[0] for p in sleep_problems(asked)) == wrong


def test_a_right_configuration_has_no_problem() -> None:
    assert sleep_problems(GOOD) == []


def test_a_host_may_be_woken_by_its_controller_alone_and_tells_no_more_of_it() -> None:
    asked = {"command": ["systemctl", "suspend"], "controller": "redfish"}
    assert sleep_problems(asked) == []
    assert Nap(asked).wake == {"controller": "redfish"}
    assert Nap({**asked, **GOOD}).wake == {"mac": MAC, "controller": "redfish"}
