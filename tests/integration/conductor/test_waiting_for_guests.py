# SPDX-License-Identifier: Apache-2.0
"""What a guest says moves its job on, once, whatever is repeated or comes late."""

import time
from typing import Any

import pytest
from sqlalchemy import update

from services.common.contracts.guest import MOST_PHASES
from services.common.contracts.topics import job_channel
from services.common.store.durations import FIRST_SILENCE_S
from services.common.store.models import JobStep
from services.conductor.guest_waits import OFF_S
from services.conductor.guests import LONGEST_WAIT_S
from tests.integration.conductor.conftest import Room
from tests.support.waiting import until

ASKED = "10.78.0.9/24"


def test_phases_of_an_installation_are_told_with_their_percent(room: Room) -> None:
    room.check_in()
    room.says("phase", name="loader up", percent=5)
    room.says("phase", name="network")
    assert room.told("guest.phase") == [("loader up", {"percent": 5}), ("network", {})]
    assert room.job().step == "install"


def test_the_installer_s_last_phase_begins_the_wait_for_the_boot(room: Room) -> None:
    room.check_in()
    room.says("phase", name="installed", percent=100)
    job = room.job()
    assert (job.state, job.step) == ("waiting", "boot")
    assert job.facts["install"] == {"ended_by": "phase"}


def test_a_report_ends_an_installation_and_counts_for_the_boot(room: Room) -> None:
    room.check_in()
    room.reports(ASKED)
    assert room.job().step == "verify"
    assert room.job().facts["install"] == {"ended_by": "report"}


def test_a_report_without_the_address_asked_for_leaves_the_boot_waiting(room: Room) -> None:
    room.check_in()
    room.reports()
    assert (room.job().state, room.job().step) == ("waiting", "boot")
    room.reports(ASKED)
    assert room.job().step == "verify"


@pytest.mark.parametrize(("install", "told"), [(True, [("agent", {})]), (False, [])])
def test_the_agent_of_a_system_that_was_just_installed_is_its_last_phase(
    room: Room, install: bool, told: list[Any]
) -> None:
    room.check_in(install)
    if install:
        room.says("phase", name="installed")
    before = len(room.told("guest.phase"))
    for _ in range(2):
        room.says("hello", agent="a", boot_id="b", hostname="h", os="o")
    assert room.told("guest.phase")[before:] == told
    assert room.job().step == "boot"


def test_phases_that_come_again_or_late_change_nothing(room: Room) -> None:
    room.check_in()
    for name, percent in (("packages", 50), ("partitioning", 20), ("packages", 50), ("partitioning", 20)):
        room.says("phase", name=name, percent=percent)
    assert [text for text, _ in room.told("guest.phase")] == ["packages", "partitioning"]
    room.says("phase", name="installed", percent=100)
    room.says("phase", name="installed", percent=100)
    assert (room.job().state, room.job().step) == ("waiting", "boot")


def test_a_higher_percent_of_the_same_phase_is_told_to_those_who_watch(room: Room) -> None:
    room.check_in()
    room.says("phase", name="packages", percent=10)
    with room.feed.listen([job_channel(room.job_id)]) as news:
        room.says("phase", name="packages", percent=60)
        message = until(lambda: news.get(0.5), 10, "the progress")
    assert (message["kind"], message["percent"], message["text"]) == ("progress", 60, "packages")
    assert len(room.told("guest.phase")) == 1


def test_a_guest_that_invents_phases_fills_no_journal(room: Room) -> None:
    room.check_in()
    for n in range(MOST_PHASES + 20):
        room.says("phase", name=f"phase {n}")
    assert len(room.told("guest.phase")) == MOST_PHASES
    room.says("phase", name="installed")
    assert room.job().step == "boot", "its end counts all the same"


def test_another_host_s_word_about_this_vm_is_not_heard(room: Room) -> None:
    room.check_in()
    room.says("phase", name="installed", host="host-2")
    assert room.job().step == "install"


@pytest.mark.parametrize("before", [None, 10], ids=["a new phase", "a higher percent"])
def test_a_guest_that_has_come_further_may_be_silent_anew(room: Room, before: int | None) -> None:
    room.check_in()
    message: dict[str, Any] = {"type_": "phase", "name": "packages", "percent": 40}
    if before is not None:
        room.says(**{**message, "percent": before})
    room.change(deadline_at=time.time() + 1)
    room.says(**message)
    moved = room.job().deadline_at or 0.0
    assert moved == pytest.approx(time.time() + FIRST_SILENCE_S, abs=30)
    room.change(deadline_at=1.0)
    room.says(**message)
    assert room.job().deadline_at == 1.0, "repeating itself is no progress"


def test_what_only_says_that_it_is_there_is_no_progress(room: Room) -> None:
    room.check_in()
    room.change(deadline_at=1.0)
    room.says("heartbeat", uptime_s=9)
    room.says("load", load1=0.1, memory_total_mib=1, memory_free_mib=1, disks=[])
    assert room.job().deadline_at == 1.0


def test_nobody_waits_for_a_guest_for_ever_whatever_it_says(room: Room) -> None:
    room.check_in()
    with room.database.write() as session:
        begun = time.time() - LONGEST_WAIT_S - 5
        session.execute(update(JobStep).where(JobStep.job_id == room.job_id).values(begun_at=begun))
    room.change(deadline_at=1.0)
    room.says("phase", name="packages")
    assert (room.job().deadline_at or 0.0) < time.time()
    room.change(state="stalled")
    room.says("phase", name="bootloader")
    assert room.job().state == "stalled"
    room.says("phase", name="installed")
    assert (room.job().state, room.job().step) == ("waiting", "boot")


@pytest.mark.parametrize("power", ["off", "crashed", "absent"])
def test_a_vm_that_is_off_ends_the_wait_for_its_guest_soon(room: Room, power: str) -> None:
    room.check_in()
    room.turns(power)
    assert room.job().deadline_at == pytest.approx(time.time() + OFF_S, abs=5)
    room.change(deadline_at=time.time() - 1)
    room.sweeper.stall_overdue()
    room.shows("Kernel panic - not syncing\n")
    assert (room.job().error or {})["detail"] == f"the vm is {power}, so that its guest can't go on in 'install'"


def test_a_vm_that_comes_on_again_is_waited_for_as_before(room: Room) -> None:
    room.check_in()
    room.turns("off")
    room.turns("on")
    assert room.job().deadline_at == pytest.approx(time.time() + FIRST_SILENCE_S, abs=30)


def test_what_another_host_sees_of_a_vm_counts_nothing(room: Room) -> None:
    room.check_in()
    room.turns("off", host="host-2")
    assert (room.job().deadline_at or 0.0) > time.time() + 60
