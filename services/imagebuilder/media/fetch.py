# SPDX-License-Identifier: Apache-2.0
"""Fetching one medium: streamed, checked while it streams, resumed where it broke off, all or nothing."""

import hashlib
import os
import re
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import httpx

from services.common.contracts.errors import ImageFailed, InnkeeperError, TryAgain
from services.common.contracts.journal import Progress
from services.imagebuilder.media.guard import Resolve, Rules, check, system_resolve
from services.imagebuilder.media.header_watch import HeaderWatch
from services.imagebuilder.media.pace import Meter

_CHUNK = 1 << 20
_REDIRECTS = 5
_LOOK_EVERY_S = 2.0
_TOLD = re.compile(r"bytes \*/(\d+)")
_LATER = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Source:
    """What to fetch, and the sha256 (lower-case hex) it must have."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Checks:
    """What the one who fetches wants to have a say in; each may raise.

    `fits` is told the size as soon as it is known, or how much came where the server doesn't say; `wanted` is asked
    now and then while bytes come.
    """

    fits: Callable[[int], None] = lambda _size: None
    wanted: Callable[[], None] = lambda: None


class Fetcher:
    """Fetches media by the operator's rules."""

    def __init__(self, rules: Rules, resolve: Resolve = system_resolve):
        self._rules = rules
        self._resolve = resolve
        self.pace = rules.pace

    def fetch(self, source: Source, target: Path, progress: Progress, checks: Checks | None = None) -> int:
        """Have `source` at `target`; its size. What came so far stays in target.part for another try.

        Errors for good (wrong sum, refused address, too large, 404): nothing is left. TryAgain otherwise.
        """
        part = target.with_name(target.name + ".part")
        try:
            size = self._fetch(source, part, _Telling(progress, checks or Checks()))
        except InnkeeperError as error:
            if not error.again:
                part.unlink(missing_ok=True)
            raise
        part.rename(target)
        return size

    def _fetch(self, source: Source, part: Path, telling: "_Telling") -> int:
        digest, have = _so_far(part)
        with self._answer(source.url, have) as answer:
            if answer.status_code == 416:
                _check_all_there(answer, have, part)
                whole: int | None = have
            else:
                if have and not _continues(answer, have):
                    digest, have = hashlib.sha256(), 0
                whole = _whole_size(answer, have)
                self._check_size(whole or have, part.parent)
                telling.checks.fits(whole or have)
                with open(part, "ab" if have else "wb") as file:
                    have = self._stream(answer, file, digest.update, replace(telling, have=have, whole=whole))
                    file.flush()
                    os.fsync(file.fileno())
        if whole is not None and have < whole:
            raise TryAgain(f"the download ended after {have} of {whole} bytes")
        if digest.hexdigest() != source.sha256:
            raise ImageFailed(
                f"wrong checksum: expected sha256 {source.sha256}, got {digest.hexdigest()} ({have} bytes); "
                "correct the sha256 or the URL"
            )
        telling.checks.fits(have)
        return have

    def _stream(
        self, answer: httpx.Response, file: BinaryIO, digest: Callable[[bytes], object], telling: "_Telling"
    ) -> int:
        have, meter, looked = telling.have, Meter(self._rules.pace, time.monotonic), time.monotonic()
        try:
            for chunk in answer.iter_raw():
                have += len(chunk)
                if have > self._rules.max_bytes:
                    raise ImageFailed(self._too_large(f"more than {have} bytes"))
                file.write(chunk)
                digest(chunk)
                telling.came(have)
                meter.note(len(chunk))
                if time.monotonic() - looked >= _LOOK_EVERY_S:
                    looked = time.monotonic()
                    telling.look(have)
        except httpx.TransportError as error:
            raise TryAgain(f"the download broke off after {have} bytes: {_reason(error)}") from error
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
        timeout = httpx.Timeout(self._rules.pace.silence_s)
        with httpx.Client(verify=verify, trust_env=False, timeout=timeout, follow_redirects=False) as client:
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
        window_s = self._rules.pace.window_s
        watch = HeaderWatch(window_s)
        try:
            with watch:
                extensions = {"sni_hostname": target.name, "trace": watch}
                request = client.build_request("GET", target.url, headers=headers, extensions=extensions)
                answer = client.send(request, stream=True)
        except httpx.TransportError as error:
            why = f"no whole answer in {window_s:g} s" if watch.expired else _reason(error)
            raise TryAgain(f"{target.name} can't be reached: {why}") from error
        try:
            yield answer
        finally:
            answer.close()


@dataclass
class _Telling:
    """Who is told how far one download is."""

    progress: Progress
    checks: Checks
    have: int = 0
    whole: int | None = None  # None: the server doesn't say
    percent: int = -1

    def came(self, have: int) -> None:
        """Tell each percent once, where they are known."""
        percent = have * 100 // self.whole if self.whole else None
        if percent is None or percent != self.percent:
            self.percent = -1 if percent is None else percent
            self.progress(percent, f"downloading, {have >> 20} MiB")

    def look(self, have: int) -> None:
        """Ask whether to go on."""
        self.checks.wanted()
        if self.whole is None:
            self.checks.fits(have)


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
        return  # we may have all of it
    if status not in (200, 206):
        raise ImageFailed(f"the server answered {status} {answer.reason_phrase}; correct the URL")


def _check_all_there(answer: httpx.Response, have: int, part: Path) -> None:
    """There is nothing beyond what we have: then it must be all, else TryAgain, from the beginning."""
    told = _TOLD.fullmatch(answer.headers.get("content-range", "").strip())
    if told is None or int(told[1]) != have:
        part.unlink()
        raise TryAgain(f"the server has another file than the one of which {have} bytes came; from the beginning")


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _continues(answer: httpx.Response, have: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("content-range", "").startswith(f"bytes {have}-")


def _whole_size(answer: httpx.Response, have: int) -> int | None:
    length = answer.headers.get("content-length", "")
    return have + int(length) if length.isdigit() else None
