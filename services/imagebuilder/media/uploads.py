# SPDX-License-Identifier: Apache-2.0
"""Media that are sent to us: appended where they broke off, and summed while they come.

media/uploads/<medium>.part   what has come so far
media/uploads/<medium>.sum    its sha256, once all of it has come, if one process took all of it
"""

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from services.common.contracts.errors import Conflict, Invalid, TooLarge, TryAgain
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.metrics import UPLOADED
from services.imagebuilder.places import Places

_CHUNK = 1 << 20
_WAIT_S = 2.0
_Mark = tuple[int, int]  # a file that another process has written since looks otherwise


@dataclass(frozen=True)
class Piece:
    """`length` bytes of a medium of `size` bytes, from `start` on."""

    medium: str
    size: int
    start: int
    length: int


class Readable(Protocol):
    """Where bytes come from; no bytes mean the end."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""


class Uploads:
    """Receives media; any number of processes may, each medium from one sender at a time."""

    def __init__(self, places: Places, max_bytes: int):
        self._places = places
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sums: dict[str, tuple[_Mark, hashlib._Hash]] = {}  # medium -> of its file, as we left it

    def offset(self, medium: str, size: int) -> int:
        """How much of the medium is here. TooLarge or TryAgain where the rest could not be taken."""
        path = self._places.upload(medium)
        have = path.stat().st_size if path.exists() else 0
        if size > self._max_bytes:
            raise TooLarge(f"the medium has {size} bytes, and {self._max_bytes} are allowed (INNKEEPER_MEDIA_MAX_GIB)")
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if size - have > free:
            raise TryAgain(f"the image builder's disk has {free} bytes free, the rest of the medium {size - have}")
        return have

    def receive(self, piece: Piece, source: Readable) -> int:
        """Append the piece; how much of the medium is here now. What came of a piece that broke off stays.

        Conflict where the piece doesn't begin where the medium ends so far.
        """
        with self._alone(piece.medium) as path:
            have = self.offset(piece.medium, piece.size)
            if piece.start != have:
                raise Conflict(
                    f"the upload stands at byte {have}, this piece begins at {piece.start}; go on from {have}"
                )
            if piece.start + piece.length > piece.size:
                raise Invalid(f"the piece ends at byte {piece.start + piece.length}, the medium at {piece.size}")
            digest = self._sum_so_far(piece.medium, path) if have else hashlib.sha256()
            have = self._append(piece, path, digest, source)
            if have == piece.size:
                if digest is not None:
                    _write_whole(_sum_path(path), digest.hexdigest())
                self.forget(piece.medium)
            return have

    def sum_of(self, medium: str) -> str:
        """The sha256 of a medium all of which has come."""
        path = self._places.upload(medium)
        noted = _sum_path(path)
        return noted.read_text(encoding="ascii") if noted.exists() else sha256_of(path)[0]

    def drop(self, medium: str) -> None:
        """Remove what came; nothing may have."""
        path = self._places.upload(medium)
        for file in (path, *(path.with_suffix(f".{kind}") for kind in ("sum", "writing", "lock"))):
            file.unlink(missing_ok=True)
        self.forget(medium)

    def forget(self, medium: str) -> None:
        """Keep no sum in memory; the file stays."""
        with self._lock:
            self._sums.pop(medium, None)

    @contextmanager
    def _alone(self, medium: str) -> Iterator[Path]:
        path = self._places.upload(medium)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_suffix(".lock"), "w", encoding="ascii") as lock:
            if not _locked(lock.fileno(), time.monotonic() + _WAIT_S):
                raise TryAgain("another piece of this medium is coming; ask how far it is, then go on")
            yield path

    def _sum_so_far(self, medium: str, path: Path) -> "hashlib._Hash | None":
        """The sum of what has come; None where another process took some of it: then it is taken at the end.

        To read it now would cost a look at all that has come for every piece, where pieces go to two in turn.
        """
        with self._lock:
            known = self._sums.pop(medium, None)
        return known[1] if known is not None and known[0] == _mark(path.stat()) else None

    def _append(self, piece: Piece, path: Path, digest: "hashlib._Hash | None", source: Readable) -> int:
        have, end = piece.start, piece.start + piece.length
        with open(path, "ab") as file:
            try:
                while have < end and (chunk := source.read(min(_CHUNK, end - have))):
                    _write(file, chunk)
                    have += len(chunk)
                    if digest is not None:
                        digest.update(chunk)
            finally:
                os.fsync(file.fileno())
                UPLOADED.inc(have - piece.start)
                if digest is not None:
                    with self._lock:
                        self._sums[piece.medium] = (_mark(os.fstat(file.fileno())), digest)
        return have


def _mark(file: os.stat_result) -> _Mark:
    return file.st_size, file.st_mtime_ns


def _write(file: BinaryIO, chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise TryAgain(f"the image builder can't keep the medium: {error.strerror}") from error


def _locked(lock: int, until: float) -> bool:
    """Take the lock, waiting a moment: a sender that broke off may just be being let go of."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_WAIT_S / 20)


def _sum_path(path: Path) -> Path:
    return path.with_suffix(".sum")


def _write_whole(path: Path, text: str) -> None:
    scratch = path.with_suffix(".writing")  # under the lock of its medium
    scratch.write_text(text, encoding="ascii")
    scratch.rename(path)
