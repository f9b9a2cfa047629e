# SPDX-License-Identifier: Apache-2.0
"""Which masters of a host go, and which never do."""

import os
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.common.contracts.commands import DiskPlan, Verb
from services.hostagent.artifacts import Artifacts
from services.hostagent.drivers.libvirt.qcow2 import read_base, write_qcow2
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.masters import Masters
from tests.support.file_server import serving
from tests.support.hypervisor import a_vm, artifact, plan
from tests.support.waiting import until
from tests.unit.hostagent.conftest import Desk

DATA = bytes(4096)
OTHER = b"y" * 4096
HOUR = 3600.0


@pytest.fixture
def artifacts(files: VmFiles) -> Iterator[Artifacts]:
    made = Artifacts(files)
    yield made
    made.close()


def old(files: VmFiles, name: str, content: bytes = DATA) -> Path:
    """A master that came long ago."""
    path = files.masters / name
    path.write_bytes(content)
    os.utime(path, (1000.0, 1000.0))
    return path


def masters(files: VmFiles, artifacts: Artifacts, keep_s: float = HOUR) -> Masters:
    return Masters(files, artifacts, keep_s)


def later() -> float:
    return time.time() + 2 * HOUR


def test_what_no_vm_needs_goes_with_what_a_killed_agent_left(files: VmFiles, artifacts: Artifacts) -> None:
    for name in ("ab" * 32, f".{'cd' * 32}.part", "readme"):
        old(files, name)
    assert masters(files, artifacts).collect(later()) == [f".{'cd' * 32}.part", "ab" * 32]
    assert [p.name for p in files.masters.iterdir()] == ["readme"]


def test_nothing_goes_before_its_time(files: VmFiles, artifacts: Artifacts) -> None:
    path = old(files, "ab" * 32)
    assert masters(files, artifacts).collect(time.time()) == []  # the agent has just begun
    os.utime(path, (later(), later()))
    assert masters(files, artifacts).collect(later() + 1) == []


def test_what_a_vm_was_given_stays_until_the_vm_goes(files: VmFiles, artifacts: Artifacts, tmp_path: Path) -> None:
    vm, kernel = a_vm(), artifact(DATA, "http://x/", "kernel", shared=True)
    old(files, kernel.sha256)
    artifacts.resolve(vm, [kernel], lambda *_: None)
    looking = masters(files, artifacts)
    assert looking.collect(later()) == []
    files.erase(vm)
    assert looking.collect(later()) == [kernel.sha256]


def test_a_second_plan_adds_to_what_a_vm_needs(files: VmFiles, artifacts: Artifacts) -> None:
    vm = a_vm()
    for content in (DATA, OTHER):
        wanted = artifact(content, "http://x/", "raw", shared=True)
        old(files, wanted.sha256, content)
        artifacts.resolve(vm, [wanted], lambda *_: None)
    assert masters(files, artifacts).collect(later()) == []


@pytest.mark.parametrize("relative", [False, True])
def test_what_a_disk_stands_on_stays_by_its_own_header(files: VmFiles, artifacts: Artifacts, relative: bool) -> None:
    vm, master = a_vm(), old(files, "ab" * 32)
    old(files, "cd" * 32)
    files.note_masters(vm, [])
    folder = files.vm(vm)
    write_qcow2(folder / "between.qcow2", 4096, read_base(master, "raw"))
    base = replace(read_base(folder / "between.qcow2", "raw"), size=4096, format="qcow2")
    write_qcow2(folder / "root-0.qcow2", 4096, replace(base, path=Path("between.qcow2")) if relative else base)
    assert masters(files, artifacts).collect(later()) == ["cd" * 32]


def test_where_the_needs_of_a_vm_are_not_known_nothing_goes(files: VmFiles, artifacts: Artifacts) -> None:
    old(files, "ab" * 32)
    vm = a_vm()
    files.vm(vm).mkdir()
    assert masters(files, artifacts).collect(later()) == []
    for lost in (b"", bytes(64), b"ab" * 20):  # as a power cut may leave it
        (files.vm(vm) / "masters").write_bytes(lost)
        assert masters(files, artifacts).collect(later()) == []
    files.note_masters(vm, [])
    assert masters(files, artifacts).collect(later()) == ["ab" * 32]


def test_what_a_command_has_just_asked_for_stays_though_no_vm_has_it_yet(files: VmFiles, artifacts: Artifacts) -> None:
    vm, wanted = a_vm(), artifact(DATA, "http://x/", "raw", shared=True)
    path = old(files, wanted.sha256)
    artifacts.resolve(vm, [wanted], lambda *_: None)
    files.erase(vm)
    assert not artifacts.drop(path, unused_since=time.time() - 1)
    assert artifacts.drop(path, unused_since=time.time() + 1)


def test_what_is_being_fetched_is_not_dropped(files: VmFiles, artifacts: Artifacts, tmp_path: Path) -> None:
    fetching, go_on = threading.Event(), threading.Event()

    def slowly(_size: int, _whole: int) -> None:
        fetching.set()
        go_on.wait(10)

    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "x").write_bytes(DATA)
    with serving(tmp_path / "shelf") as url:
        wanted = artifact(DATA, f"{url}/x", "raw", shared=True)
        thread = threading.Thread(target=artifacts.resolve, args=(a_vm(), [wanted], slowly))
        thread.start()
        assert fetching.wait(10)
        assert not artifacts.drop(files.masters / wanted.sha256, unused_since=later())
        go_on.set()
        thread.join()
    assert (files.masters / wanted.sha256).read_bytes() == DATA


def test_an_agent_looks_by_itself_and_erase_lets_go(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "x").write_bytes(DATA)
    files = VmFiles(desk.directory)
    with serving(tmp_path / "shelf") as url:
        base = artifact(DATA, f"{url}/x", "raw", shared=True)
        vm = a_vm()
        desk.do(Verb.DEPLOY, vm, plan=plan(vm, disks=(DiskPlan("root", 1, base),)))
    assert files.masters_of(vm) == {base.sha256}
    kept: list[Collection[str]] = []
    looking = Masters(files, Artifacts(files), keep_s=0.001, keep=kept.append, every_s=0.01)
    old(files, base.sha256)
    looking.start()
    old(files, "ab" * 32)
    until(lambda: not (files.masters / ("ab" * 32)).exists(), 10, "what nobody needs is gone")
    until(lambda: kept and kept[-1] == {base.sha256}, 10, "its hypervisor is told which masters are still here")
    assert (files.masters / base.sha256).exists()
    desk.do(Verb.ERASE, vm, fence=2)
    until(lambda: not (files.masters / base.sha256).exists(), 10, "the master of the erased vm is gone")
    looking.stop()


def test_masters_are_kept_for_ever_if_so_configured(files: VmFiles, artifacts: Artifacts) -> None:
    old(files, "ab" * 32)
    keeping = masters(files, artifacts, keep_s=0.0)
    keeping.start()
    assert keeping.collect(later()) == []
    keeping.stop()


def test_what_was_made_of_masters_goes_not_before_its_time(files: VmFiles, artifacts: Artifacts) -> None:
    kept: list[Collection[str]] = []
    for name in ("ab" * 32, f".{'cd' * 32}.part", "readme"):
        old(files, name)
    for keep_s, now in ((HOUR, time.time()), (0.0, later()), (HOUR, later())):
        Masters(files, artifacts, keep_s, kept.append).tidy(now)
    assert kept == [{"ab" * 32}]
