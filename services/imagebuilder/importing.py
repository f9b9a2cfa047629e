# SPDX-License-Identifier: Apache-2.0
"""The steps `import` and `drop-media`: a medium is fetched, or taken from its upload, or goes without a trace."""

import os
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import ImageFailed, InnkeeperError, LostLease, TryAgain
from services.common.contracts.journal import Done, StepContext
from services.common.contracts.states import MEDIA_MOVES, MediaState, may_move, moved
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.common.store.models import Job
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.media.alone import alone
from services.imagebuilder.media.fetch import Checks, Fetcher, Source
from services.imagebuilder.media.pace import Patience
from services.imagebuilder.media.room import Room
from services.imagebuilder.media.unpacking import Unpacking
from services.imagebuilder.media.uploads import Uploads
from services.imagebuilder.metrics import IMPORTS
from services.imagebuilder.places import Places

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Ways:
    """How media come in, who gives them room, and what is kept of them."""

    fetcher: Fetcher
    uploads: Uploads
    room: Room
    unpacking: Unpacking = field(default_factory=Unpacking)


@dataclass(frozen=True)
class _Wanted:
    id: str
    project: str
    kind: str
    size: int | None
    source: Source  # without a URL: it was sent to us


class Importer:
    """Imports media, one at a time for each sha256."""

    def __init__(self, database: Database, places: Places, ways: Ways):
        self._database = database
        self._places = places
        self._ways = ways
        self._patience = Patience(ways.fetcher.pace)

    def import_(self, context: StepContext) -> Done:
        """Have what is kept of the medium under its own sha256, checked; the end of the step makes it available."""
        wanted = self._wanted(context)
        path = self._places.media(wanted.source.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with alone(path):
                kept = self._known(wanted) or self._bring(wanted, path, context)
                self._ways.uploads.drop(wanted.id)
                size = self._places.media(kept).stat().st_size
                self._ways.room.take(wanted.id, size, kept)
        except InnkeeperError as error:
            IMPORTS.labels("again" if error.again else "failed").inc()
            raise
        IMPORTS.labels("done").inc()
        facts = {"sha256": wanted.source.sha256, "kept": kept, "size": size}
        return Done(facts, write=_available(wanted.id, size, context.now))

    def drop(self, context: StepContext) -> Done:
        """Undo an import: the file goes unless another medium is the same file; the medium becomes `failed`."""
        with self._database.read() as session:
            media = session.get(Media, context.job.media)
            files = _files_of_no_other(session, media) if media is not None else ()
        if media is not None and not _is_here(media):
            self._ways.uploads.drop(media.id)
            for sha256 in files:
                self._drop(sha256, f"{sha256}*")
            self._drop(media.sha256.lower(), f"{media.sha256.lower()}.{media.id}.*")
        reason = str((context.job.error or {}).get("detail", "the import was ended"))
        return Done(write=_failed(context.job.media, reason, context.now))

    def _drop(self, sha256: str, files: str) -> None:
        path = self._places.media(sha256)
        if _SHA256.fullmatch(sha256) and path.parent.is_dir():
            with alone(path):
                for file in path.parent.glob(files):
                    file.unlink()

    def _wanted(self, context: StepContext) -> _Wanted:
        with self._database.write() as session:
            media = session.get(Media, context.job.media)
            if media is None or media.state == MediaState.DELETED:
                raise ImageFailed("the medium was deleted before it was imported")
            if media.state == MediaState.FAILED:  # its job is tried again
                media.state, media.error = moved(MEDIA_MOVES, MediaState.FAILED, MediaState.IMPORTING), ""
            sha256 = media.sha256.lower()
            if not _SHA256.fullmatch(sha256):
                raise ImageFailed(f"{media.sha256!r} is not a sha256: 64 hexadecimal digits")
            return _Wanted(media.id, media.project_id, media.kind, media.size, Source(media.url, sha256))

    def _known(self, wanted: _Wanted) -> str:
        """What is kept of it, where an earlier try, this project or this URL has brought it; "" where it has to come.

        A sum alone gives nobody another's file.
        """
        same_url = (Media.url == wanted.source.url) & (Media.url != "")
        others = and_(
            Media.sha256 == wanted.source.sha256,
            Media.state == MediaState.AVAILABLE,
            Media.collected_at.is_(None),
            or_(Media.project_id == wanted.project, same_url),
        )
        came = (Media.id == wanted.id) & (Media.kept != "")
        with self._database.read() as session:
            kept = session.scalars(select(Media.file).where(or_(came, others))).first()
        return kept if kept and self._places.media(kept).is_file() else ""

    def _bring(self, wanted: _Wanted, path: Path, context: StepContext) -> str:
        """The sha256 of what is kept of it; half of it stays for another try, where that may help."""
        draft = path.with_name(f"{path.name}.{wanted.id}.checked")  # by its medium: nobody goes on with another's
        if not wanted.source.url:
            self._take_upload(wanted, draft)
        elif not draft.exists():  # an earlier try came so far
            self._fetch(wanted, draft, context)
        try:
            whole = self._ways.unpacking.kept_of(draft, wanted.kind, self._teller(context))
        except ImageFailed:
            draft.unlink()
            raise
        kept = wanted.source.sha256 if whole == draft else sha256_of(whole)[0]
        # Noted before it is in its place: from here on it isn't collected, and nobody sends it a second time.
        self._ways.room.take(wanted.id, _size(whole), kept)
        with nullcontext() if whole == draft else alone(self._places.media(kept)):
            _put(whole, self._places.media(kept))
        draft.unlink(missing_ok=True)
        return kept

    def _teller(self, context: StepContext) -> Callable[[float], None]:
        """Tells how far the disk is, and asks now and then whether to go on."""
        looked = time.monotonic()

        def told(percent: float) -> None:
            nonlocal looked
            if time.monotonic() - looked >= _LOOK_EVERY_S:
                looked = time.monotonic()
                self._check_wanted(context)
            context.progress(percent, "taking the disk out of the medium")

        return told

    def _fetch(self, wanted: _Wanted, draft: Path, context: StepContext) -> None:
        part, began = draft.with_name(draft.name + ".part"), time.monotonic()
        before = _size(part)
        checks = Checks(lambda size: self._ways.room.take(wanted.id, size), lambda: self._check_wanted(context))
        try:
            self._ways.fetcher.fetch(wanted.source, draft, context.progress, checks)
        except LostLease:
            raise
        except TryAgain as error:
            gained = _size(part) - before
            if self._patience.worn_out(wanted.id, gained, began, time.monotonic()):
                self._patience.forget(wanted.id)
                part.unlink(missing_ok=True)
                raise ImageFailed(
                    f"{error.detail}; nothing came for too long, choose another URL or upload it"
                ) from error
            raise
        self._patience.forget(wanted.id)

    def _take_upload(self, wanted: _Wanted, draft: Path) -> None:
        upload = self._places.upload(wanted.id)
        if not upload.exists():
            if draft.exists():  # an earlier try came so far
                return
            raise ImageFailed("there is nothing of the upload; import the medium again and send it")
        if _size(upload) != wanted.size:
            raise ImageFailed(f"the upload has {_size(upload)} bytes of {wanted.size}; send it whole")
        got = self._ways.uploads.sum_of(wanted.id)
        if got != wanted.source.sha256:
            self._ways.uploads.drop(wanted.id)
            raise ImageFailed(
                f"wrong checksum: expected sha256 {wanted.source.sha256}, got {got} ({wanted.size} bytes); "
                "correct the sha256 or the file"
            )
        self._ways.room.take(wanted.id, wanted.size or 0)
        upload.rename(draft)

    def _check_wanted(self, context: StepContext) -> None:
        """Raise LostLease where the job has been taken from us: it was cancelled, or given to somebody else."""
        with self._database.read() as session:
            fence = session.scalar(select(Job.fence).where(Job.id == context.job.id))
        if fence is not None and fence != context.job.fence:
            raise LostLease("the job was ended or given to another worker")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _put(whole: Path, place: Path) -> None:
    """On disk for good before it has its name."""
    whole.chmod(0o644)
    with open(whole, "rb") as file:
        os.fsync(file.fileno())
    whole.rename(place)


def _is_here(media: Media) -> bool:
    return media.state == MediaState.AVAILABLE and media.collected_at is None


def _files_of_no_other(session: Session, media: Media) -> list[str]:
    """Its files, as it came and as it is kept, less those that another medium has, too."""
    states = (MediaState.AVAILABLE, MediaState.IMPORTING)
    mine = {media.sha256.lower(), media.file}
    others = select(Media.sha256, Media.file).where(
        or_(Media.sha256.in_(mine), Media.file.in_(mine)),
        *(Media.id != media.id, Media.state.in_(states), Media.collected_at.is_(None)),
    )
    needed = {sha256.lower() for row in session.execute(others) for sha256 in row}
    return sorted(mine - needed)


def _available(media_id: str, size: int, now: float) -> Any:
    def write(session: Session) -> None:
        media = session.get(Media, media_id)
        if media is not None:
            media.state = moved(MEDIA_MOVES, MediaState(media.state), MediaState.AVAILABLE)
            media.size, media.error, media.updated_at, media.collected_at = size, "", now, None

    return write


def _failed(media_id: str, reason: str, now: float) -> Any:
    def write(session: Session) -> None:
        media = session.get(Media, media_id)
        if media is None or _is_here(media):
            return
        media.error, media.updated_at = reason, now
        if may_move(MEDIA_MOVES, MediaState(media.state), MediaState.FAILED):
            media.state = MediaState.FAILED

    return write
