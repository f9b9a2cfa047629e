# SPDX-License-Identifier: Apache-2.0
"""Files of the image builder that nobody needs any more, found and removed now and then.

- files whose media are deleted or failed, and what broken downloads and uploads left;
- uploads nobody has gone on with for a day: their media fail, and say why;
- masters not asked for in INNKEEPER_MASTER_DAYS, or whose medium has gone, unless a vm or an image stands on them;
- media above INNKEEPER_MEDIA_STORE_GIB, those not used for longest first (room.py).
A medium whose file has gone from the disk is called collected, and one whose file is back is called available again.
What is in the facts of a job under way stays: its host may be about to fetch it.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import TryAgain
from services.common.contracts.states import JOB_ACTIVE, MEDIA_MOVES, MediaState, moved
from services.common.formats.qcow2_header import backing_of
from services.common.runtime.log import get_logger
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.common.store.models import Job
from services.imagebuilder.masters.store import MasterStore
from services.imagebuilder.media.alone import alone
from services.imagebuilder.media.in_use import in_hand, of_vms
from services.imagebuilder.media.room import IDLE_S, Room
from services.imagebuilder.media.uploads import Uploads
from services.imagebuilder.metrics import COLLECTED
from services.imagebuilder.places import Places

log = get_logger(__name__)
UPLOAD_S = 24 * 3600.0
_DAY_S = 24 * 3600.0
_HERE = (str(MediaState.AVAILABLE), str(MediaState.IMPORTING))
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Limits:
    """How long what is kept that nobody needs. `master_s` 0: for ever."""

    master_s: float = 30 * _DAY_S
    idle_s: float = IDLE_S
    upload_s: float = UPLOAD_S


class Collecting:
    """Each method looks at one kind of file and tells what it removed; safe beside others that do the same."""

    def __init__(self, database: Database, places: Places, uploads: Uploads, limits: Limits):
        self._database, self._places = database, places
        self._uploads, self._limits = uploads, limits
        self._masters = MasterStore(places.state_dir)

    def media(self) -> list[str]:
        """Files in media/ that no medium calls its own."""
        folder = self._places.media("")
        names = {p.name.partition(".")[0] for p in folder.iterdir()} if folder.is_dir() else set()
        sums = {name for name in names if _SHA256.fullmatch(name)}
        return [sha256 for sha256 in sorted(sums - self._wanted(sums)) if self._removed(sha256)]

    def mismatched(self, now: float) -> list[str]:
        """Media that say they are here and aren't, or the other way round; put right."""
        with self._database.read() as session:
            rows = session.scalars(select(Media).where(Media.state == str(MediaState.AVAILABLE)))
            wrong = [media for media in rows if self._is_here(media) == (media.collected_at is not None)]
        return [media.file for media in wrong if self._put_right(media.id, media.file, now)]

    def _is_here(self, media: Media) -> bool:
        return self._places.media(media.file).is_file()

    def _put_right(self, media_id: str, sha256: str, now: float) -> bool:
        path = self._places.media(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with alone(path), self._database.write() as session:
                media = session.get(Media, media_id)
                if media is None or media.state != MediaState.AVAILABLE:
                    return False
                media.collected_at = None if self._is_here(media) else now
                return True
        except TryAgain:
            return False

    def uploads(self, now: float) -> list[str]:
        """What came of media that are gone, or that nobody has gone on with."""
        for media_id in self._abandoned(now):
            self._give_up(media_id, now)
        folder = self._places.upload("x").parent
        ids = {p.name.partition(".")[0] for p in folder.iterdir()} if folder.is_dir() else set()
        with self._database.read() as session:
            awaited = {
                m.id for m in _awaited(session) if m.state == MediaState.IMPORTING or not self._is_stale(m.id, now)
            }
        gone = ids - awaited
        for media_id in gone:
            self._uploads.drop(media_id)
        return sorted(gone)

    def _is_stale(self, media_id: str, now: float) -> bool:
        return now - _changed(self._places.upload(media_id)) > self._limits.upload_s

    def masters(self, now: float) -> list[str]:
        """Masters nobody needs, and files of masters that no recipe knows any more."""
        with self._database.read() as session:
            here = set(session.scalars(select(Media.file).where(_kept())))
        since = {m.recipe: self._unused_since(m.medium, here, now) for m, _ in self._masters.all()}
        idle = [master for master, used_at in self._masters.all() if used_at < since.get(master.recipe, 0.0)]
        strays = self._stray_files(now)
        if not idle and not strays:
            return []
        with self._database.read() as session:
            needed = of_vms(session) | self._under_images()
        idle = [master for master in idle if not needed.intersection(f.sha256 for f in master.files.values())]
        dropped = [master.recipe for master in idle if self._masters.drop(master.recipe, since[master.recipe])]
        for path in self._stray_files(now):
            if path.name not in needed:
                path.unlink(missing_ok=True)
        return dropped

    def _unused_since(self, medium: str, here: set[str], now: float) -> float:
        """A master last asked for before this moment may go."""
        if medium and medium not in here and not self._masters.path(medium).exists():
            return now - self._limits.idle_s
        return now - self._limits.master_s if self._limits.master_s else 0.0

    def _under_images(self) -> set[str]:
        """Masters that a vm's installation image stands on."""
        return {found.name for path in self._places.image("").glob("*/*.qcow2") if (found := _backing(path))}

    def _stray_files(self, now: float) -> list[Path]:
        """Files of masters that no recipe knows."""
        known = {file.sha256 for master, _ in self._masters.all() for file in master.files.values()}
        files = [p for p in self._masters.directory.glob("*") if _SHA256.fullmatch(p.name) and p.name not in known]
        # A master's files come before its index: a young one may be of a master that is just being made.
        return [path for path in files if path.stat().st_mtime < now - self._limits.idle_s]

    def _wanted(self, sums: set[str]) -> set[str]:
        with self._database.read() as session:
            # Also of collected ones: if the file is there, it is theirs again.
            kept = session.scalars(select(Media.file).where(Media.state.in_(_HERE)))
            return set(kept) | {m.sha256.lower() for m in _awaited(session)} | (in_hand(session) & sums)

    def _removed(self, sha256: str) -> bool:
        path = self._places.media(sha256)
        try:
            with alone(path):
                if self._wanted({sha256}) & {sha256}:
                    return False
                for file in path.parent.glob(f"{sha256}*"):
                    file.unlink(missing_ok=True)
                return True
        except TryAgain:
            return False

    def _abandoned(self, now: float) -> list[str]:
        with self._database.read() as session:
            waiting = [m for m in _awaited(session) if not m.url and m.state == MediaState.IMPORTING]
            idle = [m for m in waiting if now - m.updated_at > self._limits.upload_s and not _busy(session, m)]
        return [m.id for m in idle if self._is_stale(m.id, now)]

    def _give_up(self, media_id: str, now: float) -> None:
        with self._database.write() as session:
            media = session.get(Media, media_id)
            if media is not None and media.state == MediaState.IMPORTING and not _busy(session, media):
                media.state = moved(MEDIA_MOVES, MediaState.IMPORTING, MediaState.FAILED)
                media.error = "the upload was not finished in time; import the medium again and send it"
                media.updated_at = now


@dataclass(frozen=True)
class MediaCollector:
    """What collects them here, and keeps the store within its limit."""

    collecting: Collecting
    room: Room

    def round(self) -> None:
        """One look at everything."""
        now = time.time()
        wrong = self.collecting.mismatched(now)
        if wrong:
            log.warning("media and their files didn't agree; put right", sha256=wrong)
        found = {
            "medium": self.collecting.media(),
            "upload": self.collecting.uploads(now),
            "master": self.collecting.masters(now),
        }
        for what, names in found.items():
            if names:
                COLLECTED.labels(what).inc(len(names))
                log.info("files nobody needs were removed", what=what, names=names)
        self.room.keep_limit()


def _kept() -> ColumnElement[bool]:
    return Media.state.in_(_HERE) & Media.collected_at.is_(None)


def _awaited(session: Session) -> list[Media]:
    """Media that are being imported, for the first time or again."""
    rows = session.scalars(select(Media).where(Media.state.in_([str(MediaState.IMPORTING), str(MediaState.AVAILABLE)])))
    return [m for m in rows if m.state == MediaState.IMPORTING or (m.collected_at is not None and _coming(session, m))]


def _coming(session: Session, media: Media) -> bool:
    # A collected upload is awaited: its bytes may come without a job.
    return not media.url or _busy(session, media)


def _busy(session: Session, media: Media) -> bool:
    job = session.get(Job, media.job_id) if media.job_id else None
    return job is not None and job.state in JOB_ACTIVE


def _backing(path: Path) -> Path | None:
    try:
        return backing_of(path)
    except FileNotFoundError:  # its vm has just gone
        return None


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
