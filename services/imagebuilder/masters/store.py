# SPDX-License-Identifier: Apache-2.0
"""Where masters live: files by their sha256, and an index from a recipe to its files.

masters/<sha256>                   a file, never changed once it is there
masters/index/<recipe>.json        what a recipe came to; its time is when it was last asked for
masters/partial/<recipe>.<pid>.d/  a build under way; a dead one's is removed by the next
"""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.common.contracts.codec import dump, load
from services.common.contracts.journal import Progress
from services.imagebuilder.checksum import sha256_of

_WAIT_S = 0.2


@dataclass(frozen=True)
class MasterFile:
    """One file of a master. `format` as in contracts.commands.Artifact."""

    sha256: str
    size: int
    format: str


@dataclass(frozen=True)
class Master:
    """What a recipe came to: its files by role (root, kernel, initrd) and what must be known to boot them."""

    recipe: str
    files: dict[str, MasterFile]
    cmdline: str = ""
    medium: str = ""  # the sha256 of the medium it was made from


@dataclass(frozen=True)
class Built:
    """What a builder leaves in its work directory: role -> (path, format)."""

    files: Mapping[str, tuple[Path, str]]
    cmdline: str = ""
    medium: str = ""


Builder = Callable[[Path, Progress], Built]


class MasterStore:
    """Masters under `state_dir`; any number of processes may use it at the same time."""

    def __init__(self, state_dir: Path):
        self.directory = state_dir / "masters"
        self._index = self.directory / "index"
        self._partial = self.directory / "partial"
        self._known: dict[str, Master] = {}

    def path(self, sha256: str) -> Path:
        """Where the file with this sha256 is, or would be."""
        return self.directory / sha256

    def find(self, recipe: str) -> Master | None:
        """The recipe's master, if it was made and all its files are still there."""
        master = self._asked_for(recipe)
        if master is None or not all(self.path(f.sha256).is_file() for f in master.files.values()):
            self._known.pop(recipe, None)
            return None
        self._known[recipe] = master
        return master

    def all(self) -> list[tuple[Master, float]]:
        """Every master with the time it was last asked for."""
        found = []
        for path in sorted(self._index.glob("*.json")):
            master = self._read(path.stem)
            if master is not None and path.exists():
                found.append((master, path.stat().st_mtime))
        return found

    def drop(self, recipe: str, unused_since: float) -> bool:
        """Forget a master nobody has asked for since then; False when somebody has, or makes it now. Files stay."""
        index = self._index / f"{recipe}.json"
        self._partial.mkdir(parents=True, exist_ok=True)
        with open(self._partial / f"{recipe}.lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                aside = self._partial / f"{recipe}.{os.getpid()}.dropped"
                index.rename(aside)
            except (BlockingIOError, FileNotFoundError):
                return False
            # Whoever asks now finds nothing; whoever asked a moment ago has left the time.
            if aside.stat().st_mtime > unused_since:
                aside.rename(index)
                return False
            aside.unlink()
            return True

    def ensure(self, recipe: str, build: Builder, progress: Progress) -> Master:
        """The recipe's master; made by `build` unless it is there. One builder at a time, all or nothing."""
        found = self.find(recipe)
        if found:
            return found
        self._index.mkdir(parents=True, exist_ok=True)
        self._partial.mkdir(parents=True, exist_ok=True)
        with self._alone(recipe, progress):
            return self.find(recipe) or self._make(recipe, build, progress)

    def _asked_for(self, recipe: str) -> Master | None:
        """What the index says, with the time noted."""
        try:
            os.utime(self._index / f"{recipe}.json")
        except FileNotFoundError:
            return None
        return self._known.get(recipe) or self._read(recipe)

    def _read(self, recipe: str) -> Master | None:
        try:
            return load(Master, json.loads((self._index / f"{recipe}.json").read_text()))
        except FileNotFoundError:
            return None

    @contextmanager
    def _alone(self, recipe: str, progress: Progress) -> Iterator[None]:
        with open(self._partial / f"{recipe}.lock", "w", encoding="ascii") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    progress(None, f"waiting for another build of {recipe}")
                    time.sleep(_WAIT_S)
            yield

    def _make(self, recipe: str, build: Builder, progress: Progress) -> Master:
        for dead in self._partial.glob(f"{recipe}.*.d"):
            _remove(dead)
        work = self._partial / f"{recipe}.{os.getpid()}.d"
        work.mkdir()
        try:
            built = build(work, progress)
            files = {role: self._keep(path, format_) for role, (path, format_) in built.files.items()}
            master = Master(recipe, files, built.cmdline, built.medium)
            self._write_index(work, master)
        finally:
            _remove(work)
        return master

    def _keep(self, path: Path, format_: str) -> MasterFile:
        digest, size = sha256_of(path)
        path.chmod(0o644)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        path.rename(self.path(digest))
        return MasterFile(digest, size, format_)

    def _write_index(self, work: Path, master: Master) -> None:
        scratch = work / "index.json"
        scratch.write_text(json.dumps(dump(master), indent=1))
        scratch.rename(self._index / f"{master.recipe}.json")


def _remove(folder: Path) -> None:
    """Remove a work folder, but nothing that may be mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=False, capture_output=True)
