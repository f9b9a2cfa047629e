# SPDX-License-Identifier: Apache-2.0
"""A vm that vSphere asks something about stands still. The simulator asks nothing and takes no answer: the question is
set from outside, and an answer takes it away. That Retry may be followed by the same question, and that Cancel ends the
vm by itself, is not played.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from services.common.contracts.errors import HostFailed
from services.common.contracts.vm import hypervisor_name
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere import powering, questions
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.vendor_errors import words
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.waiting import until

FULL = "msg.hbacommon.outofspace:There is no more space for virtual disk 'web.vmdk'."
MOVED = "msg.uuid.altered:This virtual machine might have been moved or copied."


def asks(text: str, *choices: str, default: int = 0) -> Any:
    """A question with these choices, whose keys are their numbers."""
    told = [vim.ElementDescription(key=str(n), label=label, summary="") for n, label in enumerate(choices)]
    return vim.vm.QuestionInfo(id="7", text=text, choice=vim.option.ChoiceOption(choiceInfo=told, defaultIndex=default))


FULL_DISK = asks(FULL, "button.retry", "button.abort.cancel")
COPIED = asks(MOVED, "I moved it", "I copied it", default=1)


class Asked:
    """One of our vms that runs, somebody who asks about it, and what was answered."""

    def __init__(self, driver: VsphereDriver, administrator: Administrator) -> None:
        self.driver, self._administrator, self.vm = driver, administrator, a_vm()
        self.answers: list[tuple[str, str]] = []
        driver.deploy(plan(self.vm, nics=(nic(),)), Owner(PLATFORM, self.vm, 1), {})
        driver.start(self.vm)
        self._theirs = administrator.named(vim.VirtualMachine, hypervisor_name(self.vm, "web"))

    def ask(self, question: Any) -> None:
        self._administrator.set(self._theirs, questions.PATH, question)

    def answer(self, machine: Any, question: str, key: str) -> None:
        """In the place of AnswerVM."""
        assert machine._moId == self._theirs._moId
        self.answers.append((question, key))
        self._administrator.unset(self._theirs, questions.PATH)


@pytest.fixture
def asked(driver: VsphereDriver, administrator: Administrator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    found = Asked(driver, administrator)
    monkeypatch.setattr(vim.VirtualMachine, "AnswerVM", lambda machine, id, key: found.answer(machine, id, key))
    yield found
    if driver.power(found.vm) == Power.PAUSED:
        driver.force_stop(found.vm)


def listed(driver: VsphereDriver, vm: str) -> str:
    return next(item.power for item in driver.inventory() if item.vm == vm)


def test_a_full_datastore_is_told_with_what_to_do_and_resuming_tries_again(asked: Asked) -> None:
    driver, vm = asked.driver, asked.vm
    assert driver.why_paused(vm) == ""
    asked.ask(FULL_DISK)
    assert driver.power(vm) == listed(driver, vm) == Power.PAUSED
    assert driver.why_paused(vm).startswith("there is no room left where its disk lies (msg.hbacommon.outofspace:")
    driver.suspend(vm)
    assert asked.answers == [], "what stands still is not suspended again"
    driver.resume(vm)
    assert asked.answers == [("7", "0")]
    assert driver.power(vm) == listed(driver, vm) == Power.ON
    assert driver.why_paused(vm) == ""
    driver.resume(vm)
    assert len(asked.answers) == 1


def test_standing_still_and_going_on_are_told_as_they_happen(asked: Asked) -> None:
    seen: list[tuple[str, str]] = []
    looks: list[bool] = []
    asked.driver.watch(lambda vm, power: seen.append((vm, power)), lambda: looks.append(True))
    until(lambda: looks, 10, "the first look")
    asked.ask(FULL_DISK)
    until(lambda: seen[-1:] == [(asked.vm, Power.PAUSED)], 5, "it is seen to stand still")
    asked.driver.start(asked.vm)
    until(lambda: seen[-1:] == [(asked.vm, Power.ON)], 5, "it is seen to go on")


def test_what_only_a_person_can_answer_is_left_to_people(asked: Asked) -> None:
    asked.ask(COPIED)
    with pytest.raises(HostFailed, match=r"moved or copied.*offers I moved it, I copied it; answer it in vSphere"):
        asked.driver.resume(asked.vm)
    assert asked.answers == []
    assert asked.driver.why_paused(asked.vm).startswith("vSphere asks (msg.uuid.altered:")


@pytest.mark.parametrize(("question", "key"), [(FULL_DISK, "1"), (COPIED, "1")], ids=["cancel", "default"])
def test_whoever_wants_it_off_answers_by_that(asked: Asked, question: Any, key: str) -> None:
    asked.ask(question)
    asked.driver.force_stop(asked.vm)
    assert asked.answers == [("7", key)]
    assert asked.driver.power(asked.vm) == Power.OFF


def test_an_erased_one_is_gone_whatever_it_waited_for(asked: Asked) -> None:
    asked.ask(COPIED)
    asked.driver.erase(asked.vm)
    assert asked.driver.power(asked.vm) == Power.ABSENT


def test_its_guest_does_not_hear_the_button(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_machine: Any) -> None:
        raise vim.fault.QuestionPending(text=FULL)

    monkeypatch.setattr(vim.VirtualMachine, "ShutdownGuest", refuses)
    powering.press(asked.driver.at, asked.vm)


def test_an_answer_that_came_too_late_is_no_failure(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.ask(FULL_DISK)

    def late(machine: Any, id: str, key: str) -> None:
        asked.answer(machine, id, key)
        raise vmodl.fault.InvalidArgument(invalidProperty="questionId")

    monkeypatch.setattr(vim.VirtualMachine, "AnswerVM", late)
    asked.driver.resume(asked.vm)
    assert asked.driver.power(asked.vm) == Power.ON


def test_a_refusal_says_what_is_asked() -> None:
    assert FULL in words(vim.fault.QuestionPending(text=FULL))


def test_a_server_that_names_the_message_beside_its_text_says_the_same() -> None:
    info = asks("There is no more space for virtual disk 'web.vmdk'.", "Wiederholen", "Abbrechen")
    info.message = [vim.vm.Message(id="msg.hbacommon.outofspace", text=info.text)]
    question = questions.read(info)
    assert question is not None
    assert question.text == FULL
    assert (questions.to_go_on(question), questions.to_end(question)) == ("0", "1"), "in whatever language"


def test_a_question_without_choices_can_be_told_and_not_be_answered() -> None:
    question = questions.read(vim.vm.QuestionInfo(id="7", text="msg.strange:Well?"))
    assert question is not None
    assert questions.why(question).startswith("vSphere asks (msg.strange:Well?) and offers (it doesn't say what);")
    assert (questions.to_go_on(question), questions.to_end(question)) == (None, None)
