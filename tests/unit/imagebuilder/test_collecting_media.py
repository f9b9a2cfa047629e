# SPDX-License-Identifier: Apache-2.0
"""What is collected of media and masters, when, and what never is."""

import fcntl
import os
import time
from io import BytesIO
from pathlib import Path

import pytest

from services.common.contracts.errors import ImageFailed
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Progress
from services.common.contracts.states import JobState, MediaState
from services.common.store.catalogue import Media
from services.common.store.models import Job, Vm
from services.imagebuilder.masters.store import Built, MasterStore
from services.imagebuilder.media.alone import alone
from services.imagebuilder.media.collecting import Collecting, Limits
from services.imagebuilder.media.in_use import note_use
from services.imagebuilder.media.room import Kept, choose
from services.imagebuilder.media.uploads import Piece
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.support.imaging import JOB_ID, MEDIA_ID, OTHER_PROJECT, PROJECT, VM_ID, Told
from tests.support.importing import QUICK, RAW, Desk, aged, changed, sum_of
from tests.support.vendor import vendor

DAY = 24 * 3600.0
LIMITS = Limits(master_s=30 * DAY, idle_s=3600.0, upload_s=DAY)
OLD = RAW
NEW = RAW + b"newer"


def collecting(desk: Desk) -> Collecting:
    return Collecting(desk.database, desk.places, desk.uploads, LIMITS)


def have(desk: Desk, content: bytes, name: str, **values: object) -> str:
    """An available medium, last used an hour and more ago unless told otherwise."""
    media_id = new_id()
    path = desk.places.media(sum_of(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    row = {"state": MediaState.AVAILABLE, "size": len(content), "id": media_id, "name": name, "last_used_at": 1000.0}
    desk.offer(content, str(values.pop("url", "http://vendor/x")), **{**row, **values})
    return media_id


def here(desk: Desk, content: bytes) -> bool:
    return desk.places.media(sum_of(content)).exists()


def made_from(desk: Desk, sha256: str, alive: bool = True, state: str = JobState.SUCCEEDED) -> None:
    """A vm, and the job that made it from that file."""
    with desk.database.write() as session:
        common = {"project_id": PROJECT, "created_at": 0.0}
        vm = Vm(id=VM_ID, name="v", state="ready", os="debian-13", flavor="", spec={}, updated_at=0.0, **common)
        vm.deleted_at = None if alive else 1.0
        facts = {"build": {"disks": [{"role": "root", "base": {"sha256": sha256}}]}}
        job = Job(id=JOB_ID, kind="vm.create", state=state, step="verify", queue="worker", facts=facts, **common)
        job.vm_id = VM_ID
        session.add_all([vm, job])


def test_those_not_used_for_longest_go_first_and_no_more_than_needed() -> None:
    kept = [Kept(name, 10, used, may_go) for name, used, may_go in (("b", 2, True), ("a", 1, True), ("x", 0, False))]
    assert [k.sha256 for k in choose(kept, 5)] == ["a"]
    assert [k.sha256 for k in choose(kept, 15)] == ["a", "b"]
    assert [k.sha256 for k in choose(kept, 99)] == ["a", "b"]
    assert choose(kept, 0) == []


def test_a_new_medium_takes_the_room_of_the_one_not_used_for_longest(tmp_path: Path) -> None:
    desk = Desk(tmp_path, changed(QUICK, store_bytes=2 * len(NEW)), idle_s=3600.0)
    oldest, newer = have(desk, OLD, "oldest", last_used_at=1000.0), have(desk, NEW, "newer", last_used_at=2000.0)
    with vendor(RAW + b"third") as server:
        desk.offer(RAW + b"third", server.url, name="third")
        assert desk.run() is None
    assert (here(desk, OLD), here(desk, NEW)) == (False, True)
    assert desk.medium(oldest).collected_at is not None
    assert desk.medium(oldest).state == MediaState.AVAILABLE
    assert desk.medium(newer).collected_at is None


@pytest.mark.parametrize("why", ["protected", "used just now", "a vm stands on it", "a job needs it", "being imported"])
def test_what_is_needed_is_not_collected_and_the_new_one_is_refused(tmp_path: Path, why: str) -> None:
    desk = Desk(tmp_path, changed(QUICK, store_bytes=len(NEW)), idle_s=3600.0)
    held = have(desk, OLD, "held", protect=why == "protected")
    if why == "used just now":
        assert note_use(desk.database, held)
    if why == "a vm stands on it":
        made_from(desk, sum_of(OLD))
    if why == "a job needs it":
        made_from(desk, sum_of(OLD), alive=False, state=JobState.WAITING)
    if why == "being imported":
        desk.offer(OLD, "http://vendor/y", id=new_id(), project_id=OTHER_PROJECT)
    with vendor(NEW) as server:
        desk.offer(NEW, server.url, name="new")
        error = desk.run()
    assert isinstance(error, ImageFailed)
    assert "INNKEEPER_MEDIA_STORE_GIB" in error.detail
    assert here(desk, OLD)
    assert not here(desk, NEW)
    assert desk.medium(held).collected_at is None


@pytest.mark.parametrize("reader", ["a host", "an import"])
def test_what_is_being_read_or_worked_on_is_not_collected(tmp_path: Path, reader: str) -> None:
    desk = Desk(tmp_path, changed(QUICK, store_bytes=1), idle_s=3600.0)
    have(desk, OLD, "old")
    path = desk.places.media(sum_of(OLD))
    if reader == "an import":
        with alone(path):
            assert desk.room.keep_limit() == []
    else:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            assert desk.room.keep_limit() == []
    assert desk.room.keep_limit() == [sum_of(OLD)]


def test_a_collected_medium_is_no_use_and_comes_back_by_another_import(tmp_path: Path) -> None:
    desk = Desk(tmp_path, changed(QUICK, store_bytes=len(NEW)), idle_s=3600.0)
    other = have(desk, NEW, "other", protect=True)
    with vendor(OLD) as server:
        media_id = have(desk, OLD, "old", url=server.url)
        assert desk.room.keep_limit() == [sum_of(OLD)]
        assert not note_use(desk.database, media_id)
        error = desk.run(media_id)
        assert error is not None
        assert "is full" in error.detail
        assert (desk.medium(media_id).state, desk.medium(media_id).error) == (MediaState.AVAILABLE, error.detail)
        with desk.database.write() as session:
            row = session.get(Media, other)
            assert row is not None
            row.protect = False
        assert desk.run(media_id) is None
    assert here(desk, OLD)
    assert desk.medium(media_id).collected_at is None
    assert note_use(desk.database, media_id)


def test_the_quota_counts_what_is_here_and_what_comes_but_not_what_was_collected(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.quota(1.5 * len(RAW) / (1 << 30))
    first = have(desk, OLD, "first")
    with vendor(NEW) as server:
        desk.offer(NEW, server.url, name="second")
        error = desk.run()
        assert error is not None
        assert error.code == "quota-exceeded"
        with desk.database.write() as session:
            media = session.get(Media, first)
            assert media is not None
            media.collected_at = time.time()
        assert desk.run() is None


def test_files_of_media_that_are_gone_go_and_others_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    have(desk, OLD, "deleted", state=MediaState.DELETED)
    have(desk, NEW, "kept")
    part = desk.places.media("ab" * 32 + ".checked.part")
    part.write_bytes(b"half")
    coming = desk.places.media("cd" * 32 + ".checked.part")
    coming.write_bytes(b"half")
    desk.offer(b"", "http://vendor/z", sha256="cd" * 32)
    assert collecting(desk).media() == sorted([sum_of(OLD), "ab" * 32])
    assert desk.left() == sorted([f"media/{sum_of(NEW)}", f"media/{coming.name}"])


def test_a_medium_whose_file_has_gone_is_collected_and_back_with_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    media_id = have(desk, OLD, "old")
    path = desk.places.media(sum_of(OLD))
    aside = path.rename(tmp_path / "aside")
    assert collecting(desk).mismatched(5.0) == [sum_of(OLD)]
    assert desk.medium(media_id).collected_at == 5.0
    aside.rename(path)
    assert collecting(desk).media() == []
    assert collecting(desk).mismatched(6.0) == [sum_of(OLD)]
    assert desk.medium(media_id).collected_at is None
    assert collecting(desk).mismatched(7.0) == []
    assert desk.left() == [f"media/{sum_of(OLD)}"]


def test_a_deleted_medium_a_host_is_about_to_fetch_stays_until_then(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    have(desk, OLD, "deleted", state=MediaState.DELETED)
    made_from(desk, sum_of(OLD), state=JobState.WAITING)
    assert collecting(desk).media() == []
    with desk.database.write() as session:
        job = session.get(Job, JOB_ID)
        assert job is not None
        job.state = str(JobState.SUCCEEDED)
    assert collecting(desk).media() == [sum_of(OLD)]


def test_an_upload_nobody_goes_on_with_fails_and_goes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.offer(RAW, "", size=len(RAW))
    desk.uploads.receive(Piece(MEDIA_ID, len(RAW), 0, 1000), BytesIO(RAW[:1000]))
    now = time.time()
    assert collecting(desk).uploads(now) == []
    aged(desk, MEDIA_ID, updated_at=2 * DAY)
    assert collecting(desk).uploads(now) == []  # bytes came a moment ago
    os.utime(desk.places.upload(MEDIA_ID), (now - 2 * DAY, now - 2 * DAY))
    assert collecting(desk).uploads(now) == [MEDIA_ID]
    assert desk.medium().state == MediaState.FAILED
    assert "not finished in time" in desk.medium().error
    assert desk.left() == []


def test_what_came_of_a_collected_upload_goes_when_nobody_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.offer(RAW, "", size=len(RAW), state=MediaState.AVAILABLE, collected_at=1.0)
    desk.uploads.receive(Piece(MEDIA_ID, len(RAW), 0, 1000), BytesIO(RAW[:1000]))
    now = time.time()
    assert collecting(desk).uploads(now) == []
    assert collecting(desk).uploads(now + 2 * DAY) == [MEDIA_ID]
    assert desk.left() == []
    assert desk.medium().collected_at == 1.0


def a_master(desk: Desk, recipe: str, content: bytes, medium: str = "", used_ago: float = 0.0) -> str:
    """A master, last asked for so many seconds ago; its file's sum."""
    store = MasterStore(desk.places.state_dir)

    def build(work: Path, _progress: Progress) -> Built:
        (work / "iso").write_bytes(content)
        return Built({"iso": (work / "iso", "iso")}, medium=medium)

    sha256 = store.ensure(recipe, build, Told()).files["iso"].sha256
    then = time.time() - used_ago
    os.utime(store.directory / "index" / f"{recipe}.json", (then, then))
    os.utime(store.path(sha256), (then, then))
    return sha256


def test_masters_nobody_asked_for_go_after_their_days_or_with_their_medium(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    have(desk, OLD, "old")
    a_master(desk, "forgotten", b"1", used_ago=31 * DAY)
    asked = a_master(desk, "asked-for", b"2", used_ago=29 * DAY)
    a_master(desk, "of-a-gone-medium", b"3", medium="ab" * 32, used_ago=2 * 3600.0)
    young = a_master(desk, "of-a-gone-medium-young", b"4", medium="ab" * 32)
    kept = a_master(desk, "of-a-medium", b"5", medium=sum_of(OLD), used_ago=2 * 3600.0)
    ours = a_master(desk, "of-our-own-medium", b"6", medium=kept, used_ago=2 * 3600.0)
    assert sorted(collecting(desk).masters(time.time())) == ["forgotten", "of-a-gone-medium"]
    files = {p.name for p in (desk.places.state_dir / "masters").iterdir() if p.is_file()}
    assert files == {asked, young, kept, ours}


@pytest.mark.parametrize("why", ["a vm stands on it", "an image stands on it"])
def test_a_master_something_stands_on_stays(tmp_path: Path, why: str) -> None:
    desk = Desk(tmp_path)
    sha256 = a_master(desk, "old", bytes(8192), used_ago=99 * DAY)
    if why == "a vm stands on it":
        made_from(desk, sha256)
    else:
        folder = desk.places.image(VM_ID)
        folder.mkdir(parents=True)
        master = desk.places.state_dir / "masters" / sha256
        write_overlay(folder / "install.qcow2", master, [Patch(0, b"x")], f"../../masters/{sha256}")
    assert collecting(desk).masters(time.time()) == []
    assert (desk.places.state_dir / "masters" / sha256).exists()
