# SPDX-License-Identifier: Apache-2.0
"""A file of a datastore, read in pieces over HTTPS: of an image of some hundred MB a few sectors are wanted."""

from __future__ import annotations

import http.client
import io
from functools import lru_cache
from ssl import SSLContext

_PIECE = 1 << 16
_TIMEOUT_S = 20.0


class RemoteFile(io.RawIOBase):
    """Readable and seekable; OSError when the server refuses."""

    def __init__(self, address: tuple[str, int], context: SSLContext, target: str, cookie: str) -> None:
        super().__init__()
        self._connection = http.client.HTTPSConnection(*address, timeout=_TIMEOUT_S, context=context)
        self._target, self._cookie = target, cookie
        self._at = 0
        self._size = self._asked(0, 1)[1]
        self._piece = lru_cache(maxsize=64)(lambda number: self._asked(number * _PIECE, _PIECE)[0])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = self._size - self._at if size is None or size < 0 else min(size, self._size - self._at)
        found = b""
        while left > len(found):
            number, skip = divmod(self._at + len(found), _PIECE)
            found += self._piece(number)[skip : skip + left - len(found)]
        self._at += len(found)
        return found

    def close(self) -> None:
        self._connection.close()
        super().close()

    def _asked(self, first: int, size: int) -> tuple[bytes, int]:
        """Some bytes from there on, and how many the whole file has."""
        headers = {"Cookie": self._cookie, "Range": f"bytes={first}-{first + size - 1}"}
        try:
            self._connection.request("GET", self._target, headers=headers)
            answer = self._connection.getresponse()
            data = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"the datastore's server broke off: {error!r}") from error
        if answer.status != http.client.PARTIAL_CONTENT or not data:
            raise OSError(f"the datastore's server answered {answer.status} {answer.reason}")
        return data, int(answer.headers["Content-Range"].rpartition("/")[2])
