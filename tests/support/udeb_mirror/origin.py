# SPDX-License-Identifier: Apache-2.0
"""The machine's own mirror, as files: what is fetched from its pool is kept, since a file there never changes."""

import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from shutil import copyfileobj
from urllib.parse import quote


@dataclass(frozen=True)
class Origin:
    """`url` is an archive's, `cache` where its pool is kept."""

    url: str
    cache: Path

    def file(self, path: str) -> Path | None:
        """A file of the pool; None where the archive hasn't got it."""
        kept = self.cache / path
        if ".." in Path(path).parts:
            return None
        if not kept.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                if self._fetch(path, Path(scratch) / "part"):
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    (Path(scratch) / "part").rename(kept)
        return kept if kept.exists() else None

    def read(self, path: str) -> bytes | None:
        """A file that may be another one tomorrow, as the archive has it now."""
        with self._answer(path) as answer:
            return answer.read() if answer else None

    def _fetch(self, path: str, to: Path) -> bool:
        with self._answer(path) as answer, open(to, "wb") as file:
            if answer:
                copyfileobj(answer, file)
            return answer is not None

    @contextmanager
    def _answer(self, path: str) -> Iterator[HTTPResponse | None]:
        try:
            answer: HTTPResponse = urllib.request.urlopen(f"{self.url.rstrip('/')}/{quote(path)}", timeout=120)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            yield None
            return
        with answer:
            yield answer
