# SPDX-License-Identifier: Apache-2.0
"""Masters know when they were asked for and what they were made from, and are dropped only when nobody asks."""

import os
from pathlib import Path

from services.common.contracts.journal import Progress
from services.imagebuilder.masters.store import Built, Master, MasterStore
from tests.support.imaging import Told


def make(store: MasterStore, recipe: str, content: bytes = b"master", medium: str = "") -> Master:
    def build(work: Path, _progress: Progress) -> Built:
        (work / "disk").write_bytes(content)
        return Built({"root": (work / "disk", "raw")}, medium=medium)

    return store.ensure(recipe, build, Told())


def asked_for(store: MasterStore, recipe: str, at: float) -> None:
    os.utime(store.directory / "index" / f"{recipe}.json", (at, at))


def test_a_master_knows_its_medium_and_when_it_was_asked_for(tmp_path: Path) -> None:
    store = MasterStore(tmp_path)
    made = make(store, "r-1", medium="ab" * 32)
    asked_for(store, "r-1", 1000.0)
    assert MasterStore(tmp_path).all() == [(made, 1000.0)]
    assert made.medium == "ab" * 32
    store.find("r-1")
    assert store.all()[0][1] > 1000.0


def test_a_master_that_somebody_asked_for_meanwhile_is_kept(tmp_path: Path) -> None:
    store = MasterStore(tmp_path)
    made = make(store, "r-1")
    asked_for(store, "r-1", 1000.0)
    assert not store.drop("r-1", unused_since=999.0)
    assert store.find("r-1") == made


def test_a_dropped_master_is_made_again(tmp_path: Path) -> None:
    store = MasterStore(tmp_path)
    make(store, "r-1")
    asked_for(store, "r-1", 1000.0)
    assert store.drop("r-1", unused_since=2000.0)
    assert store.find("r-1") is None
    assert store.all() == []
    assert not store.drop("r-1", unused_since=2000.0)
    assert make(store, "r-1").recipe == "r-1"
