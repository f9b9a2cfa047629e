# SPDX-License-Identifier: Apache-2.0
"""Before its guest fails or stalls a job, the host has looked at the vm, or was given the time to."""

import time

import pytest
from sqlalchemy import update

from services.common.contracts.codec import dump
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.evidence import MAX_CONSOLE, MAX_SCREENSHOT, PNG, plain, seen, told
from services.common.contracts.ids import new_id
from services.common.contracts.states import HostState
from services.common.contracts.tools import ToolsFacts, ToolsLink
from services.common.store.evidence import PATIENCE_S, look
from services.common.store.models import Evidence, GuestTools, Vm
from tests.integration.conductor.conftest import HOST, Room

SCREEN = PNG + b"pixels"
LOG = "---\nthe mirror has no installer components\nGET 404\n"


def fails(room: Room) -> None:
    room.says("failed", phase="packages", log=LOG)


def time_is_up(room: Room) -> None:
    with room.database.write() as session:
        session.execute(update(Evidence).values(until=time.time() - 1))
    room.witness.give_up()


def test_a_guest_that_failed_is_looked_at_before_the_job_is_walked_back(room: Room) -> None:
    room.check_in()
    fails(room)
    assert (room.job().state, room.job().step) == ("waiting", "install")
    (command,) = room.asked()
    assert (command.host, command.vm, command.job) == (HOST, room.vm_id, "")
    room.shows("loading\nGET 404\n", SCREEN)
    assert room.job().state == "undoing"
    (row,) = room.kept()
    assert (row.console, row.screenshot, row.job_id) == ("loading\nGET 404\n", SCREEN, room.job_id)


def test_the_job_s_error_says_why_and_quotes_what_was_seen(room: Room) -> None:
    room.check_in()
    room.says("phase", name="packages", percent=40)
    fails(room)
    room.shows("loading\nGET 404\n", SCREEN)
    error = room.job().error or {}
    assert error["code"] == "guest-failed"
    assert error["detail"] == "the installer failed in packages: the mirror has no installer components"
    evidence = error["evidence"]
    assert (evidence["log"], evidence["console"], evidence["screenshot"]) == (LOG, "loading\nGET 404\n", True)
    assert (evidence["host"], evidence["phase"]["name"]) == ("alpha", "packages")


def test_what_the_hypervisor_s_own_program_said_of_the_guest_is_quoted_too(room: Room) -> None:
    room.check_in()
    with room.database.write() as session:
        facts = dump(ToolsFacts(True, "web", links=(ToolsLink("52:54:00:00:00:01", ("10.0.0.5",)),)))
        session.add(GuestTools(vm_id=room.vm_id, facts=facts, since=0.0, at=time.time() - 7, due=None))
    fails(room)
    room.shows("")
    told = (room.job().error or {})["evidence"]["tools"]
    assert (told["hostname"], told["links"][0]["addresses"]) == ("web", ["10.0.0.5"])
    assert told["told_s"] == pytest.approx(7, abs=5)


def test_a_failed_boot_is_the_guest_s(room: Room) -> None:
    room.check_in(install=False)
    room.says("failed", phase="cloud-init", log="")
    room.shows("")
    assert (room.job().error or {})["detail"] == "the guest failed in cloud-init"


def test_a_silent_host_holds_up_the_verdict_for_a_moment_only(room: Room) -> None:
    room.check_in()
    fails(room)
    room.witness.give_up()
    assert room.job().state == "waiting", "its time isn't up"
    (row,) = room.kept()
    assert row.until == pytest.approx(row.asked_at + PATIENCE_S)
    time_is_up(room)
    assert room.job().state == "undoing"
    assert (room.job().error or {})["evidence"]["note"] == "the host did not answer in time"


def test_an_answer_that_comes_late_is_kept_and_changes_no_job(room: Room) -> None:
    room.check_in()
    fails(room)
    time_is_up(room)
    before = room.job().last_seq
    room.shows("late\n")
    assert room.kept()[0].console == "late\n"
    assert room.job().last_seq == before


def test_nothing_a_guest_says_after_its_failure_makes_it_good(room: Room) -> None:
    room.check_in()
    fails(room)
    room.says("phase", name="installed", percent=100)
    room.reports("10.78.0.9/24")
    fails(room)
    assert room.job().step == "install"
    assert len(room.asked()) == 1
    room.shows("")
    assert room.job().state == "undoing"


def test_a_silent_guest_stalls_with_evidence(room: Room) -> None:
    room.check_in()
    room.says("phase", name="partitioning", percent=20)
    room.change(deadline_at=time.time() - 1)
    room.sweeper.stall_overdue()
    room.sweeper.stall_overdue()
    assert room.job().state == "waiting"
    assert len(room.asked()) == 1, "one question at a time"
    room.shows("stuck here\n", SCREEN)
    error = room.job().error or {}
    assert (room.job().state, error["code"]) == ("stalled", "stalled")
    assert error["evidence"]["console"] == "stuck here\n"
    assert error["evidence"]["phase"]["name"] == "partitioning"


def test_a_guest_that_speaks_again_while_it_is_looked_at_does_not_stall(room: Room) -> None:
    room.check_in()
    room.change(deadline_at=time.time() - 1)
    room.sweeper.stall_overdue()
    room.says("phase", name="packages", percent=30)
    room.shows("working\n")
    assert (room.job().state, room.job().step) == ("waiting", "install")


def test_of_a_host_that_is_down_nothing_is_asked(room: Room) -> None:
    room.check_in()
    room.host_is(HostState.DOWN)
    room.change(deadline_at=time.time() - 1)
    room.sweeper.stall_overdue()
    assert room.job().state == "stalled"
    assert room.asked() == []
    assert "silent" in (room.job().error or {})["evidence"]["note"]


def test_a_job_that_is_cancelled_meanwhile_stays_cancelled(room: Room) -> None:
    room.check_in()
    fails(room)
    room.change(state="undoing")
    room.shows("")
    time_is_up(room)
    assert (room.job().state, room.job().error) == ("undoing", None)


def test_another_host_s_answer_is_dropped(room: Room) -> None:
    room.check_in()
    fails(room)
    room.shows("forged\n", host="host-2")
    assert room.kept()[0].console == ""
    assert room.job().state == "waiting"


def test_an_answer_to_no_question_is_dropped(room: Room) -> None:
    room.check_in()
    stray = AgentEvent(new_id(), AgentEventKind.EVIDENCE, HOST, 1.0, room.vm_id, command="x", data=told("a", b""))
    room.witness.record(stray)
    assert room.kept() == []


def test_a_console_is_plain_text_and_only_its_end_is_kept() -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x1b[31mpanic\x1b[0m\r\nnul\x00\ttab\x9b31m\u202e"
    assert plain(hostile) == "panic\nnul\ttab31m"
    assert len(plain("é" * MAX_CONSOLE).encode()) <= MAX_CONSOLE


@pytest.mark.parametrize(
    ("picture", "why"), [(PNG + bytes(MAX_SCREENSHOT), "300 are kept"), (b"P6 1 1 255 \0\0\0", "no PNG")]
)
def test_a_picture_that_can_not_be_kept_is_left_out_and_that_is_said(picture: bytes, why: str) -> None:
    found = seen(told("c", picture))
    assert found.screenshot == b""
    assert why in found.note


@pytest.mark.parametrize(
    "data", [{"console": 1}, {"screenshot": "%%"}, {"screenshot": "bm8gcG5n"}], ids=["no text", "no base64", "no png"]
)
def test_what_a_host_can_not_have_seen_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        seen(data)


def test_of_those_who_only_looked_the_latest_answer_is_kept(room: Room) -> None:
    room.check_in()
    for _ in range(3):
        with room.database.write() as session:
            session.execute(update(Evidence).values(asked_at=Evidence.asked_at - 60))
            look(session, session.get_one(Vm, room.vm_id), "platform")
        room.shows("again\n")
    fails(room)
    room.shows("broken\n")
    assert [row.console for row in room.kept()] == ["again\n", "broken\n"]


def stalls(room: Room) -> None:
    room.change(deadline_at=time.time() - 1)
    room.sweeper.stall_overdue()
    room.shows("stuck\n")
    assert room.job().state == "stalled"


def test_a_stalled_job_goes_on_by_itself_when_its_guest_comes_further_after_all(room: Room) -> None:
    room.check_in()
    stalls(room)
    room.says("heartbeat", uptime_s=9)
    assert room.job().state == "stalled", "to be there is not to come further"
    room.says("phase", name="packages", percent=40)
    job = room.job()
    assert (job.state, job.step, job.error) == ("waiting", "install", {})
    assert (job.deadline_at or 0.0) > time.time()
    assert room.told("job.resumed") == [("the guest goes on", {})]
    room.says("phase", name="installed", percent=100)
    assert room.job().step == "boot"


def test_what_ends_a_wait_ends_a_stalled_one_too(room: Room) -> None:
    room.check_in()
    stalls(room)
    room.reports("10.78.0.9/24")
    assert (room.job().step, room.job().error) == ("verify", {})


def test_a_stalled_job_whose_guest_fails_is_walked_back(room: Room) -> None:
    room.check_in()
    stalls(room)
    fails(room)
    room.shows("broken\n")
    assert room.job().state == "undoing"
