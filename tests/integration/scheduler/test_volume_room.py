# SPDX-License-Identifier: Apache-2.0
"""The room of volumes on real databases: never more than there is, once however often said, given back exactly."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from services.common.contracts.errors import Conflict
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Done, StepContext
from services.common.contracts.states import VolumeState
from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.common.store.journal import view_of
from services.common.store.opening import Opening, open_job
from services.common.store.vms import Vm
from services.common.store.volumes import Volume, hold_room, locked_volume
from services.worker.volume_steps import VolumeSteps
from tests.support.inn import NOW, Inn


def a_volume(database: Database, host: str, size: int, **changes: Any) -> str:
    stamps = {"created_at": NOW, "updated_at": NOW}
    values: dict[str, Any] = {"state": "attaching", "size_gib": size, "wanted_gib": size, **stamps, **changes}
    with database.write() as session:
        volume = Volume(id=new_id(), project_id="p", host_id=host, **values)
        volume.name = volume.id
        session.add(volume)
        return volume.id


def context(database: Database, vm_id: str, kind: str, volume: str, **params: Any) -> StepContext:
    """A step of a new job of the vm, whose earlier one is over."""
    with database.write() as session:
        session.execute(update(Vm).where(Vm.id == vm_id).values(job_id=None, state="ready"))
        vm = session.get_one(Vm, vm_id)
        job = open_job(session, Opening(kind, vm.project_id, params={"volume": volume, **params}), vm)
        session.flush()
        return StepContext(view_of(session, job, "platform"), lambda *_: None, time.time())


def done(database: Database, outcome: object, times: int = 2) -> None:
    """End a step, as often as a worker may."""
    assert isinstance(outcome, Done)
    for _ in range(times):
        with database.write() as session:
            assert outcome.write is not None
            outcome.write(session)


def shown(database: Database, volume: str) -> tuple[str, int, int]:
    with database.read() as session:
        row = session.get_one(Volume, volume)
        return row.state, row.size_gib, row.held_gib


def test_many_at_once_never_hold_more_than_the_host_has(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1", disk_gib=10, limit_disk_gib=10)
    volumes = [a_volume(database, host, 3) for _ in range(8)]
    held: list[bool] = []

    def hold(volume: str) -> None:
        with database.write() as session:
            held.append(hold_room(session, locked_volume(session, volume), 3))

    threads = [threading.Thread(target=hold, args=(volume,)) for volume in volumes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(held).count(True), inn.used()[host][2]) == (3, 9)


def test_each_step_done_twice_counts_once_and_its_undo_gives_all_of_it_back(database: Database) -> None:
    inn, steps = Inn(database), VolumeSteps(database)
    host = inn.add_host("h1", disk_gib=10)
    vm, _ = inn.add_vm("web")
    volume = a_volume(database, host, 4, vm_id=vm)
    attach = context(database, vm, "vm.attach-volume", volume, new=True)
    done(database, steps.hold(attach))
    assert (shown(database, volume), inn.used()[host][2]) == (("attaching", 4, 4), 4)
    done(database, steps.settle(attach))
    grow = context(database, vm, "vm.grow-volume", volume, size_gib=9)
    done(database, steps.hold(grow))
    assert inn.used()[host][2] == 9
    done(database, steps.let_go(replace(grow, job=replace(grow.job, error={"code": "host-failed"}))))
    assert (shown(database, volume), inn.used()[host][2]) == (("attached", 4, 4), 4)
    with pytest.raises(Conflict, match="needs 7 GiB more; its host has 6 GiB"):
        steps.hold(context(database, vm, "vm.grow-volume", volume, size_gib=11))
    detach = context(database, vm, "vm.detach-volume", volume, keep=False)
    done(database, steps.hold(detach))
    done(database, steps.settle(detach))
    assert (shown(database, volume), inn.used()[host][2]) == (("deleted", 4, 0), 0)


def test_what_a_host_may_have_made_larger_before_it_was_called_off_stays_held(database: Database) -> None:
    inn, steps = Inn(database), VolumeSteps(database)
    host = inn.add_host("h1", disk_gib=10, used_disk_gib=4)
    vm, _ = inn.add_vm("web")
    volume = a_volume(database, host, 4, vm_id=vm, held_gib=4, state="attached")
    grow = context(database, vm, "vm.grow-volume", volume, size_gib=9)
    done(database, steps.hold(grow))
    done(database, steps.let_go(grow))
    assert (shown(database, volume), inn.used()[host][2]) == (("attached", 4, 9), 9)
    detach = context(database, vm, "vm.detach-volume", volume, keep=False)
    done(database, steps.hold(detach))
    done(database, steps.settle(detach))
    assert inn.used()[host][2] == 0


def test_a_vm_that_is_gone_leaves_those_that_outlive_it_and_gives_back_the_room_of_the_others(
    database: Database,
) -> None:
    inn = Inn(database)
    host = inn.add_host("h1", used_disk_gib=7)
    vm, _ = inn.add_vm("web")
    state = str(VolumeState.ATTACHED)
    kept = a_volume(database, host, 4, vm_id=vm, keep=True, held_gib=4, state=state)
    going = a_volume(database, host, 3, vm_id=vm, held_gib=3, state=state)
    half_made = a_volume(database, host, 2, vm_id=vm, keep=True)
    for _ in range(2):
        with database.write() as session:
            give_back(session, vm)
    assert [shown(database, v)[0] for v in (kept, going, half_made)] == ["detached", "deleted", "deleted"]
    assert inn.used()[host][2] == 4
