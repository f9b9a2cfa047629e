# SPDX-License-Identifier: Apache-2.0
"""Images without a vm, from the order in the database to the file, and to its end."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.catalog import systems
from services.common.contracts.codec import dump
from services.common.contracts.errors import Conflict, Invalid, NotFound, TryAgain
from services.common.contracts.vm import Secrets, VmSpec
from services.common.formats.spliced import Spliced
from services.common.runtime.keys import Keys
from services.common.store.database import Database
from services.common.store.images import Image
from services.imagebuilder.installation import Installations
from services.imagebuilder.leftovers import collect
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.ordering import Orders
from services.imagebuilder.places import INSTALL, SEED, Places
from services.imagebuilder.sources import Sources
from tests.support.image_builder import keep_a_medium
from tests.support.imaging import PROJECT, SECRETS, a_spec, new_database, new_keys
from tests.support.waiting import until

IMAGE_ID = "0193b5a0-0000-7000-8000-0000000000aa"
LATER_S = 3600.0


class Desk:
    """Orders and what comes of them, in one folder."""

    def __init__(self, folder: Path):
        self.database: Database = new_database(folder)
        self.keys: Keys = new_keys(folder)
        self.places = Places(folder, "http://images.test")
        store = MasterStore(folder)
        keep_a_medium(store, folder / "scratch")
        installations = Installations(store, self.places, Sources(store, self.places, self.database))
        self.orders = Orders(self.database, self.keys, self.places, installations)

    def order(self, spec: VmSpec, secrets: Secrets = SECRETS, expires_at: float = 0.0) -> None:
        with self.database.write() as session:
            session.add(
                Image(
                    id=IMAGE_ID,
                    project_id=PROJECT,
                    name=spec.name,
                    os=spec.os,
                    spec=dump(spec),
                    secrets=self.keys.seal(json.dumps(dump(secrets))),
                    created_at=time.time(),
                    expires_at=expires_at or time.time() + LATER_S,
                )
            )

    def row(self) -> Image | None:
        with self.database.read() as session:
            return session.get(Image, IMAGE_ID)

    @property
    def file(self) -> Path:
        return self.places.image(IMAGE_ID) / SEED


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    yield found
    found.orders.stop()
    found.database.close()


def test_an_order_becomes_a_file_only_we_may_read_and_its_row_says_what_it_is(desk: Desk) -> None:
    desk.order(a_spec())
    told = desk.orders.answer({"id": IMAGE_ID})
    content = desk.file.read_bytes()
    assert told == {"file": SEED, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert content[32769:32774] == b"CD001"
    assert SECRETS.password_hashes["ops"].encode() in content
    assert desk.file.stat().st_mode & 0o777 == 0o600
    row = desk.row()
    assert row is not None
    assert (row.file, row.size, row.sha256) == (told["file"], told["size"], told["sha256"])
    assert row.built_at is not None


def test_an_installers_image_is_its_medium_with_the_answers_in_and_only_a_few_of_our_bytes(desk: Desk) -> None:
    desk.order(a_spec(os="debian-12-image", hostname="marked-host"))
    told = settled(desk)
    assert (told["file"], told["sha256"]) == ("install.iso", "")
    overlay = desk.places.image(IMAGE_ID) / INSTALL
    with Spliced(overlay) as image:
        content = b"".join(image.chunks())
    assert len(content) == told["size"]
    assert content[32769:32774] == b"CD001"
    assert b"marked-host" in content
    assert overlay.stat().st_size < 512 * 1024
    assert overlay.stat().st_mode & 0o777 == 0o600


def test_a_medium_that_cant_be_had_is_said_and_is_no_defect(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(systems()["debian-12-image"], name="some-os", source="media")
    monkeypatch.setattr("services.imagebuilder.ordering.systems", lambda: {"some-os": row})
    desk.order(a_spec(os="some-os"))
    with pytest.raises(Conflict):
        settled(desk)


def settled(desk: Desk) -> dict[str, Any]:
    """The answer, once no master is being made any more."""
    found: dict[str, Any] = until(lambda: _made(desk), 60, "the image is made")
    return found


def _made(desk: Desk) -> dict[str, Any] | None:
    told = desk.orders.answer({"id": IMAGE_ID})
    return None if "making" in told else told


def test_asking_again_gives_the_same_bytes_also_when_the_file_is_gone(desk: Desk) -> None:
    desk.order(a_spec())
    first = desk.orders.answer({"id": IMAGE_ID})
    desk.file.unlink()
    assert desk.orders.answer({"id": IMAGE_ID}) == first
    assert desk.file.stat().st_size == first["size"]


def test_what_nobody_ordered_is_not_built(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.orders.answer({"id": IMAGE_ID})
    assert not desk.file.exists()


def test_what_the_system_cant_have_is_named_and_leaves_nothing(desk: Desk) -> None:
    desk.order(a_spec(hostname="no good"))
    with pytest.raises(Invalid) as refusal:
        desk.orders.answer({"id": IMAGE_ID})
    assert [problem.pointer for problem in refusal.value.problems] == ["/hostname"]
    assert not desk.places.image(IMAGE_ID).exists()
    with pytest.raises(Invalid):
        desk.orders.answer({"id": IMAGE_ID})


def test_a_disk_in_the_way_is_no_defect_and_the_next_try_goes_through(desk: Desk) -> None:
    desk.order(a_spec())
    folder = desk.places.image("")
    folder.write_text("a file where the images' folder should be")
    with pytest.raises(TryAgain, match="can't write"):
        desk.orders.answer({"id": IMAGE_ID})
    folder.unlink()
    assert desk.orders.answer({"id": IMAGE_ID})["file"] == SEED


def test_an_os_that_left_the_catalogue_is_named(desk: Desk) -> None:
    desk.order(a_spec(os="beos-5"))
    with pytest.raises(Invalid, match="beos-5"):
        desk.orders.answer({"id": IMAGE_ID})


def test_an_image_is_no_leftover_until_its_time_is_up_and_then_goes_with_its_secrets(desk: Desk) -> None:
    now = time.time()
    desk.order(a_spec(), expires_at=now + 1000)
    desk.orders.answer({"id": IMAGE_ID})
    os.utime(desk.places.image(IMAGE_ID), (1, 1))
    assert collect(desk.database, desk.places, 60, now + 999) == []
    assert desk.file.exists()
    assert collect(desk.database, desk.places, 60, now + 1001) == [IMAGE_ID]
    assert (desk.row(), desk.places.image(IMAGE_ID).exists()) == (None, False)


def test_an_order_taken_back_leaves_a_file_that_is_collected(desk: Desk) -> None:
    desk.order(a_spec())
    desk.orders.answer({"id": IMAGE_ID})
    with desk.database.write() as session:
        session.delete(session.get_one(Image, IMAGE_ID))
    assert collect(desk.database, desk.places, 60, time.time() + 61) == [IMAGE_ID]
    assert not desk.places.image(IMAGE_ID).exists()
