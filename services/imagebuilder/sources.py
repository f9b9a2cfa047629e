# SPDX-License-Identifier: Apache-2.0
"""What an operating system boots from: a master of our own, or a medium somebody imported."""

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from services.common.catalog import OsEntry
from services.common.contracts.commands import Artifact
from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.common.contracts.states import MediaState
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.imagebuilder.masters import MasterStore, ensure_master
from services.imagebuilder.media.in_use import note_use
from services.imagebuilder.media.inspect import shape_of
from services.imagebuilder.metrics import MASTER_SECONDS
from services.imagebuilder.places import Places

MEDIA = "media"


@dataclass(frozen=True)
class Boots:
    """The files an os boots from; `disk_bytes` is the least its root disk may have."""

    root: Artifact | None = None
    kernel: Artifact | None = None
    initrd: Artifact | None = None
    cmdline: str = ""
    disk_bytes: int = 0


@dataclass(frozen=True)
class Medium:
    """An installation medium on this machine."""

    path: Path
    sha256: str


class Sources:
    """Finds, or has made, what an os boots from."""

    def __init__(self, store: MasterStore, places: Places, database: Database):
        self._store = store
        self._places = places
        self._database = database

    def of(self, entry: OsEntry, project: str, progress: Progress) -> Boots:
        """The os's files, made now where they are not there; ImageFailed says why they can't be."""
        return self._imported(entry, project) if entry.source == MEDIA else self._built(entry, progress)

    def medium(self, entry: OsEntry, project: str, progress: Progress) -> Medium:
        """The os's installation medium: imported by the project, or made by its recipe; ImageFailed says why not."""
        if entry.source == MEDIA:
            sha256 = self._newest(entry, project, "iso")
            return Medium(self._places.media(sha256), sha256)
        files = ensure_master(self._store, entry.source, progress).files
        if "iso" not in files:
            raise ImageFailed(f"the recipe {entry.source} makes no installation medium")
        return Medium(self._store.path(files["iso"].sha256), files["iso"].sha256)

    def _built(self, entry: OsEntry, progress: Progress) -> Boots:
        begun, told = time.perf_counter(), []

        def tell(percent: float | None, text: str) -> None:
            told.append(text)
            progress(percent, text)

        master = ensure_master(self._store, entry.source, tell)
        if told:
            MASTER_SECONDS.labels(entry.source).observe(time.perf_counter() - begun)
        files = {
            role: Artifact(f.sha256, f.size, f.format, self._places.shared_url(f.sha256))
            for role, f in master.files.items()
        }
        root = files.get("root")
        size = shape_of(self._store.path(root.sha256), "cloud-image").virtual_size if root else 0
        return Boots(root, files.get("kernel"), files.get("initrd"), master.cmdline, size)

    def _imported(self, entry: OsEntry, project: str) -> Boots:
        sha256 = self._newest(entry, project, "cloud-image")
        path = self._places.media(sha256)
        shape = shape_of(path, "cloud-image")
        root = Artifact(sha256, path.stat().st_size, shape.format, self._places.shared_url(sha256))
        return Boots(root, disk_bytes=shape.virtual_size)

    def _newest(self, entry: OsEntry, project: str, kind: str) -> str:
        """The sha256 of what is kept of the medium imported last for this os; it won't be collected for a while."""
        wanted = select(Media).where(
            Media.os == entry.name,
            Media.project_id == project,
            Media.kind == kind,
            Media.state == MediaState.AVAILABLE,
        )
        with self._database.read() as session:
            newest = session.scalars(wanted.order_by(Media.created_at.desc(), Media.id.desc())).first()
        if newest is None:
            raise ImageFailed(f"{entry.display_name} has no media in this project: {entry.needs_media}")
        if not note_use(self._database, newest.id):
            raise ImageFailed(
                f"the medium {newest.name!r} was collected to make room for others; import it again "
                f"(POST /v1/media/{newest.id}/import), and protect it if it should stay"
            )
        if not self._places.media(newest.file).is_file():
            raise ImageFailed(f"the medium {newest.name!r} is gone from the image builder's disk; import it again")
        return newest.file
