# SPDX-License-Identifier: Apache-2.0
"""A download of an image: it goes on where it broke off, and counts only once it is whole and what it should be."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from innkeeper.errors import ClientError, NotTheContract, Unreachable
from innkeeper.models.image import Image
from innkeeper.transport import Call, Transport

Tell = Callable[[int, int], None]  # how many bytes are here, how many there are
READ_S = 60.0
_TRIES = 5  # in a row that bring nothing
_PAUSE_S = 1.0
# Where every ISO 9660 says that it is one.
_MARK_AT, _MARK = 32769, b"CD001"


class Download:
    """One image on its way into a file. `ask` gives the image with a URL that is still good."""

    def __init__(self, transport: Transport, ask: Callable[[], Image], pause_s: float = _PAUSE_S):
        self._transport = transport
        self._ask = ask
        self._pause_s = pause_s

    def into(self, target: Path, tell: Tell = lambda _here, _all: None) -> Image:
        """Write `target`, all or nothing; what has come so far lies beside it and is used by the next try.

        Raises Unreachable where it breaks off again and again, NotTheContract where what came is not the image, and
        OSError where it can't be written.
        """
        image = self._ask()
        draft = target.with_name(f".{target.name}.{image.id}.part")
        failed = 0
        while _size(draft) < (image.size or 1):
            before = _size(draft)
            try:
                self._append(image, draft, tell)
            except Unreachable:
                failed = failed + 1 if _size(draft) <= before else 1
                if failed >= _TRIES:
                    raise
                time.sleep(self._pause_s)
                image = self._ask()
        try:
            _check(draft, image)
        except ClientError:
            draft.unlink()
            raise
        draft.replace(target)
        return image

    def _append(self, image: Image, draft: Path, tell: Tell) -> None:
        here = _size(draft)
        # Should the image be another one by now, all of it comes.
        headers = {"Range": f"bytes={here}-", "If-Range": f'"{image.id}.{image.size}"'} if here else {}
        url = urlsplit(image.url)
        call = Call("GET", url.path, params={"t": parse_qs(url.query).get("t", [""])[0]}, headers=headers, signed=False)
        with self._transport.stream(call, READ_S) as answer:
            goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
            here = here if goes_on else 0
            total = here + int(answer.headers["Content-Length"])
            with open(draft, "ab" if goes_on else "wb") as file:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    here += len(chunk)
                    tell(here, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check(path: Path, image: Image) -> None:
    size = _size(path)
    if image.size is not None and size != image.size:
        raise NotTheContract(f"{size} bytes came of an image of {image.size}; download it again")
    with open(path, "rb") as file:
        if image.sha256 and hashlib.file_digest(file, "sha256").hexdigest() != image.sha256:
            raise NotTheContract("what came has another sha256 than the image; download it again")
        file.seek(_MARK_AT)
        if file.read(len(_MARK)) != _MARK:
            raise NotTheContract("what came is no ISO image; download it again")
