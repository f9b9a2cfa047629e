# SPDX-License-Identifier: Apache-2.0
"""A vm that is to be larger first holds its room: by compare-and-swap, within the policy, and back to the last MiB."""

from dataclasses import asdict

import pytest

from services.common.contracts import advance
from services.common.contracts.codec import dump
from services.common.contracts.errors import NoHost, StepFailed, TryAgain
from services.common.contracts.journal import Done, JobView, StepContext
from services.common.contracts.sizes import Sizes
from services.common.store.database import Database
from services.common.store.journal import SqlJournal
from services.common.store.opening import Opening, open_job
from services.common.store.vms import Vm
from services.scheduler.resizing import Resizer
from services.scheduler.steps import Placer
from services.worker.size_steps import let_go_room, settle_size
from tests.support.inn import NOW, Inn
from tests.support.placing import SHELF


class Desk:
    """A vm of 1 vcpu and 256 MiB on the one host there is, of 4 vcpus and 4096 MiB; and its resize's steps by hand."""

    def __init__(self, database: Database):
        self.database = database
        self.inn = Inn(database)
        self.journal = SqlJournal(database)
        self.host = self.inn.add_host("h1", memory_mib=4096)
        self.vm, job = self.inn.add_vm("web")
        self.end(job, "scheduler", Placer(database, SHELF).place)
        with database.write() as session:
            session.get_one(Vm, self.vm).job_id = None
            session.get_one(Vm, self.vm).state = "ready"

    def asked(self, sizes: Sizes) -> str:
        """A resize is asked for, as the api does it; its job."""
        with self.database.write() as session:
            vm = session.get_one(Vm, self.vm)
            before = Sizes(vm.spec["vcpus"], vm.spec["memory_mib"])
            params = {"sizes": dump(sizes), "before": dump(before), "flavor": "", "flavor_before": "tiny"}
            vm.spec = {**vm.spec, **asdict(sizes)}
            return open_job(session, Opening("vm.resize", vm.project_id, params=params), vm).id

    def end(self, job_id: str, queue: str, step: object, **facts: object) -> None:
        """Run the present step to its end."""
        job = self.claimed(job_id, queue)
        done = step(StepContext(job, lambda _percent, _text: None, NOW + 1))  # type: ignore[operator]
        assert self.journal.apply(job, advance.finished(job, done))

    def claimed(self, job_id: str, queue: str) -> JobView:
        """The job, taken by a worker."""
        view = self.journal.claim(job_id, queue, "desk", 30.0)
        assert view is not None
        return view

    def hold(self, job_id: str) -> None:
        """The step `hold-room`."""
        self.end(job_id, "scheduler", Resizer(self.database, SHELF).hold_room)

    def at_host(self, job_id: str, now: Sizes) -> None:
        """The host has given it what it could."""
        self.end(job_id, "worker", lambda _context: Done(asdict(now)))

    def holds(self) -> tuple[int, int]:
        """What the vm holds of its host, which must be what its host says."""
        assert self.inn.used() == self.inn.claimed()
        vcpus, memory, _ = self.inn.used()[self.host]
        return vcpus, memory


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_more_is_held_before_the_host_is_told_and_less_is_given_back_after_it(desk: Desk) -> None:
    job = desk.asked(Sizes(2, 128))
    desk.hold(job)
    assert desk.holds() == (2, 256)
    desk.at_host(job, Sizes(2, 128))
    desk.end(job, "worker", settle_size)
    assert desk.holds() == (2, 128)
    assert desk.inn.vm(desk.vm).pending is None
    assert desk.inn.vm(desk.vm).state == "ready"


def test_what_waits_until_power_off_is_shown_and_stays_held(desk: Desk) -> None:
    job = desk.asked(Sizes(2, 128))
    desk.hold(job)
    desk.at_host(job, Sizes(1, 256))
    desk.end(job, "worker", settle_size)
    assert desk.holds() == (2, 256)
    assert desk.inn.vm(desk.vm).pending == {"vcpus": 1, "memory_mib": 256}


def test_where_there_is_no_room_the_job_says_what_is_free_and_nothing_is_held(desk: Desk) -> None:
    job = desk.claimed(desk.asked(Sizes(1, 1 << 20)), "scheduler")
    context = StepContext(job, lambda _percent, _text: None, NOW + 1)
    with pytest.raises(NoHost, match=r"MiB of memory free; this needs 0 vcpus and 1048320 MiB more"):
        Resizer(desk.database, SHELF).hold_room(context)
    assert desk.holds() == (1, 256)


def test_of_two_who_want_the_last_room_one_gets_it(desk: Desk) -> None:
    done = Resizer(desk.database, SHELF).hold_room(
        StepContext(desk.claimed(desk.asked(Sizes(1, 2048)), "scheduler"), lambda _percent, _text: None, NOW + 1)
    )
    desk.inn.change_host(desk.host, used_memory_mib=3500, limit_memory_mib=3500)
    assert done.write is not None
    with pytest.raises(TryAgain, match="others took room"), desk.database.write() as session:
        done.write(session)
    assert desk.inn.claimed()[desk.host][1] == 256


def test_an_undo_gives_back_what_was_held_but_not_what_a_guest_keeps(desk: Desk) -> None:
    job = desk.asked(Sizes(4, 512))
    desk.hold(job)
    view = desk.claimed(job, "worker")
    assert desk.journal.apply(view, advance.failed(view, StepFailed("the host refused")))
    desk.end(job, "worker", lambda _context: Done(asdict(Sizes(4, 256))))
    desk.end(job, "worker", let_go_room)
    vm = desk.inn.vm(desk.vm)
    assert (vm.spec["vcpus"], vm.spec["memory_mib"], vm.flavor) == (1, 256, "tiny")
    assert vm.pending == {"vcpus": 4}
    assert desk.holds() == (4, 256)
    assert (desk.inn.job(job).state, vm.state, vm.job_id) == ("failed", "ready", None)
