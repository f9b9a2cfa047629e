# SPDX-License-Identifier: Apache-2.0
"""The steps `import` and `drop-media`: a vendor's medium comes in by URL and sha256, or goes without a trace."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import ImageFailed, TryAgain
from services.common.contracts.journal import Done, StepContext
from services.common.contracts.states import MEDIA_MOVES, MediaState, may_move, moved
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.imagebuilder.media.fetch import Fetcher, Source
from services.imagebuilder.media.inspect import shape_of
from services.imagebuilder.metrics import IMPORTS
from services.imagebuilder.places import Places

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class _Wanted:
    id: str
    project: str
    kind: str
    source: Source


class Importer:
    """Imports media, one at a time for each sha256."""

    def __init__(self, database: Database, places: Places, fetcher: Fetcher):
        self._database = database
        self._places = places
        self._fetcher = fetcher

    def import_(self, context: StepContext) -> Done:
        """Have the medium under its sha256, checked; the end of the step makes it available."""
        wanted = self._wanted(context.job.media)
        if not _SHA256.fullmatch(wanted.source.sha256):
            raise ImageFailed(f"{wanted.source.sha256!r} is not a sha256: 64 hexadecimal digits")
        path = self._places.media(wanted.source.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            try:
                if not (path.is_file() and self._is_known(wanted)):
                    self._fetch(wanted, path, context)
            except TryAgain:
                IMPORTS.labels("again").inc()
                raise
            except ImageFailed:
                IMPORTS.labels("failed").inc()
                raise
        size = path.stat().st_size
        IMPORTS.labels("done").inc()
        return Done({"sha256": wanted.source.sha256, "size": size}, write=_available(wanted.id, size, context.now))

    def drop(self, context: StepContext) -> Done:
        """Undo an import: the file goes unless another medium is the same file; the medium becomes `failed`."""
        with self._database.read() as session:
            media = session.get(Media, context.job.media)
            shared = media is not None and _shared(session, media)
        if media is not None and not shared and _SHA256.fullmatch(media.sha256.lower()):
            path = self._places.media(media.sha256.lower())
            if path.parent.is_dir():
                with _alone(path):
                    for file in path.parent.glob(f"{path.name}*"):
                        file.unlink()
        reason = str((context.job.error or {}).get("detail", "the import was ended"))
        return Done(write=_failed(context.job.media, reason, context.now))

    def _wanted(self, media_id: str) -> _Wanted:
        with self._database.read() as session:
            media = session.get(Media, media_id)
            if media is None:
                raise ImageFailed("the medium was deleted before it was imported")
            return _Wanted(media.id, media.project_id, media.kind, Source(media.url, media.sha256.lower()))

    def _is_known(self, wanted: _Wanted) -> bool:
        """Whether this project has the file, or it came from this URL: a sum alone gives nobody another's file."""
        same = select(Media.id).where(
            Media.sha256 == wanted.source.sha256,
            Media.state == MediaState.AVAILABLE,
            or_(Media.project_id == wanted.project, Media.url == wanted.source.url),
        )
        with self._database.read() as session:
            return session.scalars(same).first() is not None

    def _fetch(self, wanted: _Wanted, path: Path, context: StepContext) -> None:
        draft = path.with_name(path.name + ".checked")
        self._fetcher.fetch(wanted.source, draft, context.progress)
        try:
            shape_of(draft, wanted.kind)
        except ImageFailed:
            draft.unlink()
            raise
        draft.chmod(0o644)
        draft.rename(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock_path = path.with_name(path.name + ".lock")
    with open(lock_path, "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TryAgain("the same medium is being imported") from error
        # The one before may have removed the file in between: then this lock keeps nobody out.
        if not lock_path.exists() or lock_path.stat().st_ino != os.fstat(lock.fileno()).st_ino:
            raise TryAgain("the same medium was being dropped")
        try:
            yield
        finally:
            lock_path.unlink(missing_ok=True)


def _shared(session: Session, media: Media) -> bool:
    states = (MediaState.AVAILABLE, MediaState.IMPORTING)
    others = select(Media.id).where(Media.sha256 == media.sha256, Media.id != media.id, Media.state.in_(states))
    return session.scalars(others).first() is not None


def _available(media_id: str, size: int, now: float) -> Any:
    def write(session: Session) -> None:
        media = session.get(Media, media_id)
        if media is not None:
            media.state = moved(MEDIA_MOVES, MediaState(media.state), MediaState.AVAILABLE)
            media.size, media.error, media.updated_at = size, "", now

    return write


def _failed(media_id: str, reason: str, now: float) -> Any:
    def write(session: Session) -> None:
        media = session.get(Media, media_id)
        if media is not None and may_move(MEDIA_MOVES, MediaState(media.state), MediaState.FAILED):
            media.state, media.error, media.updated_at = MediaState.FAILED, reason, now

    return write
