# SPDX-License-Identifier: Apache-2.0
"""From token to report: what is done, what is refused, what is not done twice."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.common.contracts.commands import Verb
from services.common.contracts.errors import TryAgain
from services.common.contracts.events import AgentEventKind as K
from services.common.contracts.evidence import PNG, Seen, seen
from services.common.runtime.signing import sign_command
from services.hostagent.drivers.base import Power
from tests.support.hypervisor import a_vm, plan
from tests.support.waiting import until
from tests.unit.hostagent.conftest import PRIVATE, Desk


def test_a_vm_is_deployed_started_stopped_and_erased(desk: Desk) -> None:
    vm = a_vm()
    assert desk.do(Verb.DEPLOY, vm, plan=plan(vm)).data == {"uuid": plan(vm).uuid, "name": plan(vm).name}
    assert desk.do(Verb.START, vm).data == {"power": "on"}
    assert desk.do(Verb.STOP, vm).data == {"power": "off"}
    assert desk.do(Verb.START, vm).data == {"power": "on"}
    assert desk.do(Verb.FORCE_STOP, vm).data == {"power": "off"}
    assert desk.do(Verb.ERASE, vm, fence=2).data == {"power": "absent"}
    assert [e.data["power"] for e in desk.heard(K.LIFECYCLE, vm)] == ["on", "off", "on", "off", "absent"]


def test_an_answer_names_vm_job_step_command_and_fence(desk: Desk) -> None:
    command = desk.command(Verb.FORCE_STOP, a_vm(), fence=7)
    desk.send(command)
    answer = desk.answer(command)
    assert answer.kind is K.DONE
    assert (answer.vm, answer.job, answer.step, answer.fence) == (command.vm, command.job, command.step, 7)
    assert answer.host == command.host


def test_a_guest_reports_after_the_start_is_answered(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    kinds = [e.kind for e in desk.events if e.vm == vm]
    assert kinds.index(K.GUEST) > kinds.index(K.DONE)
    (interface,) = desk.said(vm, "report")[0]["interfaces"]
    assert interface["mac"] == plan(vm).nics[0].mac
    assert interface["addresses"][0].startswith("10.77.0.1")


def test_a_repeated_start_makes_the_guest_report_again(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    desk.do(Verb.START, vm)
    until(lambda: len(desk.said(vm, "report")) == 2, 5, "another report")


def test_the_same_command_again_is_done_again_without_showing_it(desk: Desk) -> None:
    vm = a_vm()
    command = desk.command(Verb.DEPLOY, vm, plan=plan(vm))
    for n in (1, 2, 3):
        desk.send(command)
        assert desk.answer(command, n).kind is K.DONE
    assert len(desk.agent.driver.inventory()) == 1


def test_a_command_in_hand_is_not_taken_twice(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(deploy_s=0.3), a_vm()
    command = desk.command(Verb.DEPLOY, vm, plan=plan(vm))
    for _ in range(5):
        desk.send(command)
    desk.answer(command)
    desk.do(Verb.FORCE_STOP, vm)  # behind anything that waited in the vm's lane
    assert len(desk.answers(command)) == 1


def test_one_vm_waits_for_itself_and_not_for_others(desks: Callable[..., Desk]) -> None:
    desk, vms = desks(deploy_s=0.4), [a_vm() for _ in range(8)]
    commands = [desk.command(Verb.DEPLOY, vm, plan=plan(vm, f"web{n}")) for n, vm in enumerate(vms)]
    starts = [desk.command(Verb.START, vm) for vm in vms]
    for command in (*commands, *starts):
        desk.send(command)
    last = [desk.answer(start) for start in starts]
    first = [desk.answer(command) for command in commands]
    assert {e.kind for e in last} == {K.DONE}
    assert max(e.at for e in last) - min(e.at for e in first) < 2.0  # 3.2 one after the other


def test_an_older_fence_is_refused_and_nothing_is_done(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, 5, plan(vm))
    answer = desk.do(Verb.START, vm, 4)
    assert (answer.kind, answer.data) == (K.REFUSED, {"reason": "stale-fence"})
    assert desk.agent.driver.power(vm) == Power.OFF


def test_an_erased_vm_stays_away_from_late_commands(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, 1, plan(vm))
    desk.do(Verb.ERASE, vm, 1)
    answer = desk.do(Verb.DEPLOY, vm, 1, plan(vm))
    assert (answer.kind, answer.data) == (K.REFUSED, {"reason": "tombstone"})
    assert desk.do(Verb.ERASE, vm, 1).kind is K.DONE
    assert desk.do(Verb.DEPLOY, vm, 2, plan(vm)).kind is K.DONE


def test_a_tombstone_and_a_fence_outlive_the_agent(desk: Desk) -> None:
    vm, other = a_vm(), a_vm()
    desk.do(Verb.ERASE, vm, 3)
    desk.do(Verb.DEPLOY, other, 3, plan(other))
    desk.agent.stop()
    desk.agents.clear()
    desk.open()
    assert desk.do(Verb.DEPLOY, vm, 3, plan(vm)).data == {"reason": "tombstone"}
    assert desk.do(Verb.START, other, 2).data == {"reason": "stale-fence"}
    assert desk.do(Verb.START, other, 3).kind is K.DONE


def test_erase_of_what_never_was_is_done(desk: Desk) -> None:
    assert desk.do(Verb.ERASE, a_vm()).kind is K.DONE


@pytest.mark.parametrize("verb", [Verb.START, Verb.STOP, Verb.REBOOT, Verb.RESET, Verb.SUSPEND, Verb.RESUME])
def test_what_is_not_there_fails_for_good(desk: Desk, verb: Verb) -> None:
    answer = desk.do(verb, a_vm())
    assert answer.kind is K.FAILED
    assert answer.data["code"] == "host-failed"
    assert not answer.data["again"]
    assert "not on this host" in answer.data["detail"]


def test_a_hypervisor_that_refuses_is_quoted(desk: Desk) -> None:
    vm = a_vm()
    answer = desk.do(Verb.DEPLOY, vm, plan=plan(vm, "web-deploy-fails"))
    assert answer.kind is K.FAILED
    assert "told to refuse" in answer.data["detail"]


def test_a_guest_that_ignores_the_button_is_named_with_the_way_out(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm, "web-ignores-acpi"))
    desk.do(Verb.START, vm)
    answer = desk.do(Verb.STOP, vm, timeout_s=0.3)
    assert answer.kind is K.FAILED
    assert "did not shut down" in answer.data["detail"]
    assert "force-stop" in answer.data["detail"]
    assert desk.do(Verb.FORCE_STOP, vm).kind is K.DONE


def test_a_stop_that_waits_makes_room_for_a_force_stop(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm, "web-ignores-acpi"))
    desk.do(Verb.START, vm)
    stop = desk.command(Verb.STOP, vm, timeout_s=60)
    desk.send(stop)
    assert desk.do(Verb.FORCE_STOP, vm).kind is K.DONE
    assert desk.answer(stop).data["again"]


def test_a_reboot_is_off_and_on_and_is_not_done_twice(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    reboot = desk.command(Verb.REBOOT, vm)
    for n in (1, 2):
        desk.send(reboot)
        assert desk.answer(reboot, n).kind is K.DONE
    assert [e.data["power"] for e in desk.heard(K.LIFECYCLE, vm)] == ["on", "off", "on"]


def test_a_reboot_that_broke_off_after_the_start_boots_the_guest_no_second_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    start, reboot = desk.agent.driver.start, desk.command(Verb.REBOOT, vm)

    def breaks_off(started: str) -> None:
        start(started)
        raise TryAgain("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(desk.agent.driver, "start", breaks_off)
        desk.send(reboot)
        assert desk.answer(reboot).data["again"]
    desk.send(reboot)
    assert desk.answer(reboot, 2).kind is K.DONE
    assert [e.data["power"] for e in desk.heard(K.LIFECYCLE, vm)] == ["on", "off", "on"]


def test_a_rebooted_guest_has_another_boot_id(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    desk.do(Verb.REBOOT, vm)
    until(lambda: len({r["boot_id"] for r in desk.said(vm, "report")}) == 2, 5, "a report of the next boot")


def test_a_reset_guest_has_another_boot_id_and_is_not_reset_twice(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    reset = desk.command(Verb.RESET, vm)
    for n in (1, 2):
        desk.send(reset)
        assert desk.answer(reset, n).kind is K.DONE
    until(lambda: len({r["boot_id"] for r in desk.said(vm, "report")}) == 2, 5, "a report of the next boot")
    desk.do(Verb.SUSPEND, vm)
    assert len({r["boot_id"] for r in desk.said(vm, "report")}) == 2
    assert [e.data["power"] for e in desk.heard(K.LIFECYCLE, vm)] == ["on", "paused"]


def test_a_suspended_guest_is_silent_and_goes_on_in_the_same_boot(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    assert "is not running" in desk.do(Verb.SUSPEND, vm).data["detail"]
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    for _ in range(2):
        assert desk.do(Verb.SUSPEND, vm).data == {"power": "paused"}
    before = len(desk.said(vm, "report"))
    for _ in range(2):
        assert desk.do(Verb.RESUME, vm).data == {"power": "on"}
    until(lambda: len(desk.said(vm, "report")) > before, 5, "a report after it went on")
    assert len({r["boot_id"] for r in desk.said(vm, "report")}) == 1


def test_a_suspended_guest_hears_the_power_button(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    desk.do(Verb.SUSPEND, vm)
    assert desk.do(Verb.STOP, vm).data == {"power": "off"}


def test_forged_expired_and_misdirected_tokens_are_dropped(desk: Desk) -> None:
    command = desk.command(Verb.ERASE, a_vm())
    tokens = [
        "",
        "not.a.token",
        sign_command(command, PRIVATE)[:-4] + "AAAA",
        sign_command(command, PRIVATE, ttl_s=-60),
        sign_command(replace(command, host="host-2"), PRIVATE),
        sign_command(replace(command, platform="another"), PRIVATE),
    ]
    for token in tokens:
        desk.agent.commands.take(token)
    desk.do(Verb.FORCE_STOP, command.vm)  # behind anything that waited in the vm's lane
    assert desk.answers(command) == []


def test_inventory_tells_host_and_vms_at_once(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, 4, plan(vm))
    desk.do(Verb.INVENTORY, "")
    (item,) = desk.heard(K.INVENTORY)[-1].data["vms"]
    assert (item["vm"], item["fence"], item["power"]) == (vm, 4, "off")
    assert len(desk.heard(K.HELLO)) == 2


def test_inventory_names_the_highest_fence_seen(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, 4, plan(vm))
    desk.do(Verb.START, vm, 6)
    desk.do(Verb.INVENTORY, "")
    assert desk.heard(K.INVENTORY)[-1].data["vms"][0]["fence"] == 6


def test_the_agent_says_hello_and_tells_telemetry_by_itself(desk: Desk) -> None:
    until(lambda: desk.heard(K.HEARTBEAT) and desk.heard(K.INVENTORY), 5, "heartbeat and inventory")
    assert desk.heard(K.HELLO)[0].data["driver"] == "fake"
    beat = desk.heard(K.HEARTBEAT)[0].data
    assert beat["watts"] > 0
    assert beat["watts_source"] == "curve"


def test_a_restarted_agent_hears_guests_that_have_long_been_up(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    until(lambda: desk.said(vm, "report"), 5, "the guest's report")
    desk.agent.stop()
    desk.agents.clear()
    desk.events.clear()
    desk.open()
    until(lambda: desk.said(vm, "report"), 5, "the guest's report to the next agent")


def test_stopping_the_agent_finishes_what_is_in_hand(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(deploy_s=0.3), a_vm()
    command = desk.command(Verb.DEPLOY, vm, plan=plan(vm))
    desk.send(command)
    desk.agent.stop()
    desk.agents.clear()
    assert [e.kind for e in desk.answers(command)] == [K.DONE]


def test_many_tokens_at_once_are_all_done(desk: Desk) -> None:
    vms = [a_vm() for _ in range(40)]
    commands = [desk.command(Verb.DEPLOY, vm, plan=plan(vm, f"web{n}")) for n, vm in enumerate(vms)]
    threads = [threading.Thread(target=desk.send, args=(command,)) for command in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for command in commands:
        assert desk.answer(command).kind is K.DONE
    assert len(desk.agent.driver.inventory()) == 40


def test_what_can_be_seen_of_a_vm_is_told_whatever_its_fence(desk: Desk) -> None:
    vm = a_vm()
    desk.do(Verb.DEPLOY, vm, fence=5, plan=plan(vm))
    desk.do(Verb.START, vm, fence=5)
    answer = desk.do(Verb.EVIDENCE, vm, fence=1)
    assert (answer.kind, answer.vm) == (K.EVIDENCE, vm)
    found = seen(answer.data)
    assert "boot 1" in found.console
    assert found.screenshot.startswith(PNG)
    assert desk.do(Verb.FORCE_STOP, vm, fence=5).kind is K.DONE, "a look leaves no fence"


def test_a_look_waits_for_nobody_and_ends_nobody_s_wait(desks: Callable[..., Desk]) -> None:
    desk, vm = desks(stop_s=0.3), a_vm()
    desk.do(Verb.DEPLOY, vm, plan=plan(vm))
    desk.do(Verb.START, vm)
    stop = desk.command(Verb.STOP, vm)
    desk.send(stop)
    assert desk.do(Verb.EVIDENCE, vm).kind is K.EVIDENCE
    assert desk.answers(stop) == [], "the guest is still shutting down"
    assert desk.answer(stop).kind is K.DONE


def test_of_a_vm_that_was_never_there_nothing_is_seen(desk: Desk) -> None:
    assert seen(desk.do(Verb.EVIDENCE, a_vm()).data) == Seen()
