# SPDX-License-Identifier: Apache-2.0
"""Room for media: a project's quota, and the limit of the store, where those not used for longest make room."""

import fcntl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import ImageFailed, TryAgain
from services.common.contracts.states import MediaState
from services.common.runtime.log import get_logger
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.common.store.media_quota import check_media_quota
from services.imagebuilder.masters.store import MasterStore
from services.imagebuilder.media.alone import alone
from services.imagebuilder.media.in_use import of_vms
from services.imagebuilder.metrics import COLLECTED
from services.imagebuilder.places import Places

log = get_logger(__name__)
IDLE_S = 3600.0  # what a build used is kept for so long: its host may not have fetched it yet
_HERE = (str(MediaState.AVAILABLE), str(MediaState.IMPORTING))


@dataclass(frozen=True)
class Kept:
    """A file of the store: its size, when it was last used, and whether it may go."""

    sha256: str
    size: int
    used_at: float
    may_go: bool


def choose(kept: Iterable[Kept], needed: int) -> list[Kept]:
    """Those that make room for `needed` bytes, not used for longest first; all that may go where it isn't enough."""
    chosen: list[Kept] = []
    for file in sorted(kept, key=lambda k: (k.used_at, k.sha256)):
        if needed <= 0:
            break
        if file.may_go:
            chosen.append(file)
            needed -= file.size
    return chosen


class Room:
    """Gives media room, by quota and limit. `limit` 0: the store has none."""

    def __init__(self, database: Database, places: Places, limit: int = 0, idle_s: float = IDLE_S):
        self._database, self._places = database, places
        self._limit, self._idle_s = limit, idle_s
        self._masters = MasterStore(places.state_dir)

    def take(self, media_id: str, size: int, kept: str = "") -> None:
        """Note that the medium has this size, and what is kept of it. QuotaExceeded or ImageFailed without room."""
        with self._database.write() as session:
            media = session.get(Media, media_id)
            if media is None:
                return
            check_media_quota(session, media.project_id, size, but=media.id)
            media.size = size
            media.kept = kept or media.kept
            sha256 = media.file
        self._make(size, sha256)

    def keep_limit(self) -> list[str]:
        """Collect what is over the limit now; the sums of what went."""
        over = self._bytes() - self._limit
        return self._collected(choose(self._kept(), over)) if self._limit and over > 0 else []

    def _make(self, size: int, sha256: str) -> None:
        if not self._limit:
            return
        over = self._bytes(but=sha256) + size - self._limit
        chosen = choose(self._kept(but=sha256), over) if over > 0 else []
        if sum(file.size for file in chosen) < over or len(self._collected(chosen)) < len(chosen):
            raise ImageFailed(
                f"the store of media is full: it has room for {self._limit} bytes, this medium needs {size}, and all "
                "others are protected, in use, or were used a moment ago; delete some (INNKEEPER_MEDIA_STORE_GIB)"
            )

    def _bytes(self, but: str = "") -> int:
        """What the store holds, and what is coming."""
        with self._database.read() as session:
            here = (Media.state.in_(_HERE), Media.collected_at.is_(None), Media.file != but)
            files = select(func.max(Media.size)).where(*here).group_by(Media.file)
            return sum(size or 0 for size in session.scalars(files))

    def _kept(self, but: str = "") -> list[Kept]:
        """The store by file: media of the same content are one."""
        now = time.time()
        with self._database.read() as session:
            statement = select(Media).where(Media.state.in_(_HERE), Media.collected_at.is_(None), Media.file != but)
            rows: dict[str, list[Media]] = {}
            for media in session.scalars(statement):
                rows.setdefault(media.file, []).append(media)
            needed = self._needed(session)
        return [_kept(same, now - self._idle_s, sha256 in needed) for sha256, same in rows.items()]

    def _needed(self, session: Session) -> set[str]:
        """What vms need; of a master with slots, the medium it was made from."""
        needed = of_vms(session)
        masters = [master for master, _ in self._masters.all()]
        return needed | {m.medium for m in masters if needed.intersection(f.sha256 for f in m.files.values())}

    def _collected(self, chosen: Sequence[Kept]) -> list[str]:
        gone = [file.sha256 for file in chosen if self._collect(file.sha256)]
        if gone:
            log.info("media were collected to make room", sha256=gone)
            COLLECTED.labels("medium").inc(len(gone))
        return gone

    def _collect(self, sha256: str) -> bool:
        """Remove this file unless it has come into use; its media say so and can be imported again."""
        path = self._places.media(sha256)
        try:
            with alone(path):
                if not _unread(path) or not self._noted(sha256):
                    return False
                path.unlink(missing_ok=True)
                return True
        except TryAgain:
            return False

    def _noted(self, sha256: str) -> bool:
        now = time.time()
        with self._database.write() as session:
            statement = select(Media).where(Media.file == sha256, Media.state.in_(_HERE), Media.collected_at.is_(None))
            same = list(session.scalars(statement.with_for_update()))
            if not same or not _kept(same, now - self._idle_s, False).may_go:
                return False
            for media in same:
                media.collected_at, media.updated_at = now, now
        return True


def _kept(same: Sequence[Media], idle_since: float, needed: bool) -> Kept:
    used_at = max(media.last_used_at or media.updated_at for media in same)
    bound = needed or any(media.protect or media.state != MediaState.AVAILABLE for media in same)
    return Kept(same[0].file, max(m.size or 0 for m in same), used_at, not bound and used_at < idle_since)


def _unread(path: Path) -> bool:
    """Whether nobody is sending this file just now."""
    try:
        with open(path, "r+b") as file:  # NFS gives an exclusive lock to writers alone
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True
