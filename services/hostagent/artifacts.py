# SPDX-License-Identifier: Apache-2.0
"""Files a host needs, fetched by URL: checked while they stream, in place all at once, each only once at a time."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from services.common.contracts.commands import Artifact, DeployPlan
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.disk_mode import disk_mode
from services.hostagent.drivers.vm_files import VmFiles

_CHUNK = 1 << 20
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_WORTH_ANOTHER_TRY = frozenset({401, 403, 408, 410, 425, 429})  # the next command brings a fresh URL
_HEX = frozenset("0123456789abcdef")

Fetched = Callable[[int, int], None]  # bytes so far, bytes in all


def artifacts_of(plan: DeployPlan) -> list[Artifact]:
    """Every file a plan needs."""
    below = [artifact for disk in plan.disks for artifact in (disk.base, disk.backing)]
    return [artifact for artifact in (plan.kernel, plan.initrd, *below) if artifact is not None]


@dataclass
class _Flight:
    """A file that is being fetched, and how many wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    passengers: int = 0


class Artifacts:
    """Masters are shared and kept by their sha256; what is made for one vm lies in its directory."""

    def __init__(self, files: VmFiles, client: httpx.Client | None = None) -> None:
        self._files = files
        # No proxy of the environment: an agent fetches from its own platform.
        self._client = client or httpx.Client(timeout=_TIMEOUT, trust_env=False, follow_redirects=False)
        self._lock = threading.Lock()
        self._flights: dict[Path, _Flight] = {}
        self._asked_for: dict[Path, float] = {}  # shared files, and when

    def resolve(self, vm: str, wanted: Iterable[Artifact], fetched: Fetched) -> dict[str, Path]:
        """Local paths by sha256, fetching what is missing. HostFailed: can't be right; TryAgain: the rest.

        What of it is shared is noted in the vm's directory: it is kept for as long as that is there.
        """
        needed = list(wanted)
        found = {artifact.sha256: self._get(vm, artifact, fetched) for artifact in needed}
        self._files.note_masters(vm, {artifact.sha256 for artifact in needed if artifact.shared})
        return found

    def drop(self, path: Path, unused_since: float) -> bool:
        """Remove a shared file; False when it was asked for since then, or is being fetched."""
        with self._lock:
            if path in self._flights or self._asked_for.get(path, 0.0) >= unused_since:
                return False
            path.unlink(missing_ok=True)
            self._asked_for.pop(path, None)
            return True

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, vm: str, artifact: Artifact, fetched: Fetched) -> Path:
        path = self._place(vm, artifact)
        if artifact.shared:
            with self._lock:  # before we look whether it is there: from here on it is not dropped
                self._asked_for[path] = time.time()
        if _complete(path, artifact):
            return path
        with self._alone(path):
            if not _complete(path, artifact):
                path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
                self._fetch(artifact, path, fetched)
        return path

    def _place(self, vm: str, artifact: Artifact) -> Path:
        if len(artifact.sha256) != 64 or not _HEX.issuperset(artifact.sha256):
            raise HostFailed(f"{artifact.sha256!r} is not a sha256 in lower-case hex")
        return (self._files.masters if artifact.shared else self._files.vm(vm)) / artifact.sha256

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        with self._lock:
            flight = self._flights.setdefault(path, _Flight())
            flight.passengers += 1
        try:
            with flight.lock:
                yield
        finally:
            with self._lock:
                flight.passengers -= 1
                if not flight.passengers:
                    del self._flights[path]

    def _fetch(self, artifact: Artifact, path: Path, fetched: Fetched) -> None:
        where = urlsplit(artifact.url)
        name = f"{where.scheme}://{where.netloc}{where.path}"  # without its query, which is a token
        if where.scheme not in ("http", "https"):
            raise HostFailed(f"{where.scheme}: artifacts are fetched over http or https only")
        draft = path.with_name(f".{path.name}.part")
        try:
            with self._client.stream("GET", artifact.url) as answer:
                _check_answer(answer, name)
                hit("agent.before-artifact")
                _write(answer.iter_bytes(_CHUNK), draft, artifact, fetched)
            draft.chmod(0o644 if artifact.shared else disk_mode())
            draft.rename(path)
            hit("agent.after-artifact")
        except httpx.HTTPError as error:
            raise TryAgain(f"fetching {name}: {error or type(error).__name__}") from error
        except OSError as error:
            raise HostFailed(f"storing {name}: {error}") from error
        finally:
            draft.unlink(missing_ok=True)


def _complete(path: Path, artifact: Artifact) -> bool:
    # The size tells a file that a power cut has shortened; its content was checked before it got its name.
    return path.exists() and path.stat().st_size == artifact.size


def _check_answer(answer: httpx.Response, name: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status in _WORTH_ANOTHER_TRY or status >= 500:
        raise TryAgain(f"fetching {name}: the server answered {status}")
    raise HostFailed(f"fetching {name}: the server answered {status}")


def _write(parts: Iterable[bytes], draft: Path, artifact: Artifact, fetched: Fetched) -> None:
    digest, size = sha256(), 0
    with draft.open("wb") as file:
        for part in parts:
            size += len(part)
            if size > artifact.size:
                raise HostFailed(f"artifact {artifact.sha256[:12]} is larger than the {artifact.size} bytes declared")
            digest.update(part)
            file.write(part)
            fetched(size, artifact.size)
        file.flush()
        os.fsync(file.fileno())
    if size != artifact.size or digest.hexdigest() != artifact.sha256:
        raise HostFailed(
            f"artifact {artifact.sha256[:12]}: got {size} bytes with sha256 {digest.hexdigest()[:12]},"
            f" declared were {artifact.size} bytes"
        )
