# SPDX-License-Identifier: Apache-2.0
"""Fetching one medium: streamed, checked while it streams, resumed where it broke off, all or nothing."""

import hashlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import httpx

from services.common.contracts.errors import ImageFailed, TryAgain
from services.common.contracts.journal import Progress
from services.imagebuilder.media.guard import Resolve, Rules, check, system_resolve

_CHUNK = 1 << 20
_REDIRECTS = 5
_LATER = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Source:
    """What to fetch, and the sha256 (lower-case hex) it must have."""

    url: str
    sha256: str


class Fetcher:
    """Fetches media by the operator's rules."""

    def __init__(self, rules: Rules, resolve: Resolve = system_resolve):
        self._rules = rules
        self._resolve = resolve

    def fetch(self, source: Source, target: Path, progress: Progress) -> int:
        """Have `source` at `target`; its size. What came so far stays in target.part for another try.

        ImageFailed for good (wrong sum, refused address, too large, 404): nothing is left. TryAgain otherwise.
        """
        part = target.with_name(target.name + ".part")
        try:
            size = self._fetch(source, part, progress)
        except ImageFailed:
            part.unlink(missing_ok=True)
            raise
        part.rename(target)
        return size

    def _fetch(self, source: Source, part: Path, progress: Progress) -> int:
        digest, have = _so_far(part)
        with self._answer(source.url, have) as answer:
            if have and not _continues(answer, have):
                digest, have = hashlib.sha256(), 0
            whole = _whole_size(answer, have)
            self._check_size(whole or have, part.parent)
            with open(part, "ab" if have else "wb") as file:
                have = self._stream(answer, file, digest.update, _Extent(have, whole), progress)
                file.flush()
                os.fsync(file.fileno())
        if whole is not None and have < whole:
            raise TryAgain(f"the download ended after {have} of {whole} bytes")
        if digest.hexdigest() != source.sha256:
            raise ImageFailed(
                f"wrong checksum: expected sha256 {source.sha256}, got {digest.hexdigest()} ({have} bytes); "
                "correct the sha256 or the URL"
            )
        return have

    def _stream(
        self,
        answer: httpx.Response,
        file: BinaryIO,
        digest: Callable[[bytes], object],
        extent: "_Extent",
        progress: Progress,
    ) -> int:
        have, told = extent.have, -1
        try:
            for chunk in answer.iter_raw():
                have += len(chunk)
                if have > self._rules.max_bytes:
                    raise ImageFailed(self._too_large(f"more than {have} bytes"))
                file.write(chunk)
                digest(chunk)
                percent = have * 100 // extent.whole if extent.whole else None
                if percent != told or percent is None:
                    told = percent if percent is not None else -1
                    progress(percent, f"downloading, {have >> 20} MiB")
        except httpx.TransportError as error:
            raise TryAgain(f"the download broke off after {have} bytes: {error}") from error
        except OSError as error:
            raise ImageFailed(f"the medium can't be written: {error.strerror}; {have} bytes came") from error
        return have

    def _check_size(self, size: int, folder: Path) -> None:
        if size > self._rules.max_bytes:
            raise ImageFailed(self._too_large(f"{size} bytes"))
        free = shutil.disk_usage(folder).free
        if size > free:
            raise ImageFailed(f"the medium has {size} bytes, and {free} are free at {folder}")

    def _too_large(self, what: str) -> str:
        return f"the medium is too large: {what}, and {self._rules.max_bytes} are allowed (INNKEEPER_MEDIA_MAX_GIB)"

    @contextmanager
    def _answer(self, url: str, have: int) -> Iterator[httpx.Response]:
        # The machine's own CAs; no proxy from the environment, which would look names up behind the guard's back.
        verify = ssl.create_default_context()
        with httpx.Client(
            verify=verify, trust_env=False, timeout=httpx.Timeout(30.0), follow_redirects=False
        ) as client:
            for _ in range(_REDIRECTS + 1):
                with self._opened(client, url, have) as answer:
                    if not answer.is_redirect:
                        _check_status(answer, have)
                        yield answer
                        return
                    url = urljoin(url, answer.headers.get("location", ""))
        raise ImageFailed(f"more than {_REDIRECTS} redirects")

    @contextmanager
    def _opened(self, client: httpx.Client, url: str, have: int) -> Iterator[httpx.Response]:
        target = check(url, self._rules, self._resolve)
        headers = {"Host": target.host, "Accept-Encoding": "identity", "User-Agent": "innkeeper"}
        if have:
            headers["Range"] = f"bytes={have}-"
        extensions = {"sni_hostname": target.name}
        try:
            request = client.build_request("GET", target.url, headers=headers, extensions=extensions)
            answer = client.send(request, stream=True)
        except httpx.TransportError as error:
            raise TryAgain(f"{target.name} can't be reached: {error}") from error
        try:
            yield answer
        finally:
            answer.close()


@dataclass(frozen=True)
class _Extent:
    have: int
    whole: int | None


def _so_far(part: Path) -> "tuple[hashlib._Hash, int]":
    digest = hashlib.sha256()
    try:
        with open(part, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return digest, file.tell()
    except FileNotFoundError:
        return digest, 0


def _check_status(answer: httpx.Response, have: int) -> None:
    status = answer.status_code
    if status in _LATER:
        raise TryAgain(f"the server answered {status}")
    if status == 416 and have:
        return  # we may have all of it, or too much: fetched afresh
    if status not in (200, 206):
        raise ImageFailed(f"the server answered {status} {answer.reason_phrase}; correct the URL")


def _continues(answer: httpx.Response, have: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("content-range", "").startswith(f"bytes {have}-")


def _whole_size(answer: httpx.Response, have: int) -> int | None:
    length = answer.headers.get("content-length", "")
    return have + int(length) if length.isdigit() else None
