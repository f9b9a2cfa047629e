# SPDX-License-Identifier: Apache-2.0
"""The real importer over a database of its own, and its steps run the way a worker runs them."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.common.contracts.errors import InnkeeperError
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.common.store.models import Project
from services.imagebuilder.importing import Importer, Ways
from services.imagebuilder.media.fetch import Fetcher
from services.imagebuilder.media.guard import Rules
from services.imagebuilder.media.pace import Pace
from services.imagebuilder.media.room import Room
from services.imagebuilder.media.unpacking import Unpacking
from services.imagebuilder.media.uploads import Uploads
from services.imagebuilder.places import Places
from tests.support.imaging import MEDIA_ID, PROJECT, a_step, add_media, new_database

LOOPBACK = Rules.from_env({"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.0/8"}).allowed
QUICK = Rules(allowed=LOOPBACK, pace=Pace(silence_s=0.3, window_s=0.3, window_bytes=4096, patience_s=1.0))
RAW = bytes(510) + b"\x55\xaa" + b"a cloud image" * 50_000
_TRIES = 200


def sum_of(content: bytes) -> str:
    """Its sha256."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class Desk:
    """Imports media in a folder, with quick rules."""

    folder: Path
    rules: Rules = QUICK
    idle_s: float = 0.0
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = new_database(self.folder)
        self.places = Places(self.folder / "state", "http://images")
        self.uploads = Uploads(self.places, self.rules.max_bytes)
        self.room = Room(self.database, self.places, self.rules.store_bytes, self.idle_s)
        unpacking = Unpacking(self.rules.max_bytes)
        self.ways = Ways(Fetcher(self.rules), self.uploads, self.room, unpacking)
        self.importer = Importer(self.database, self.places, self.ways)

    def quota(self, gib: float) -> None:
        """Give the project so much room for media."""
        with self.database.write() as session:
            project = session.get(Project, PROJECT)
            assert project is not None
            project.quotas = {"media_gib": gib}

    def offer(self, content: bytes, url: str, **changes: Any) -> str:
        """A medium's row, to be imported; its id."""
        add_media(self.database, changes.pop("sha256", sum_of(content)), url, **changes)
        return str(changes.get("id", MEDIA_ID))

    def medium(self, media_id: str = MEDIA_ID) -> Media:
        """Its row."""
        with self.database.read() as session:
            found = session.get(Media, media_id)
            assert found is not None
            return found

    def run(self, media_id: str = MEDIA_ID) -> InnkeeperError | None:
        """Import it as a worker does: tried again while that may help, undone when it doesn't; why it failed."""
        error: InnkeeperError | None = None
        for _ in range(_TRIES):
            error = self._attempt(lambda: self.importer.import_(a_step(media=media_id)))
            if error is None or not error.again:
                break
        if error is None:
            return None
        step = a_step(media=media_id, error={"detail": error.detail})
        assert self._attempt(lambda: self.importer.drop(step)) is None
        return error

    def _attempt(self, step: Callable[[], Any]) -> InnkeeperError | None:
        try:
            done = step()
        except InnkeeperError as error:
            return error
        with self.database.write() as session:
            done.write(session)
        return None

    def left(self) -> list[str]:
        """Every file under the state directory, without locks that nobody holds."""
        files = (p for p in self.folder.joinpath("state").rglob("*") if p.is_file())
        return sorted(str(p.relative_to(self.folder / "state")) for p in files)


def changed(rules: Rules, **values: Any) -> Rules:
    """Quick rules, changed."""
    return replace(rules, **values)


def pieces(content: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of each piece."""
    return ((at, content[at : at + size]) for at in range(0, len(content), size))


def aged(desk: Desk, media_id: str, **values: float) -> None:
    """Set times of a medium back; each value is so many seconds ago."""
    with desk.database.write() as session:
        media = session.get(Media, media_id)
        assert media is not None
        for name, ago in values.items():
            setattr(media, name, time.time() - ago)
