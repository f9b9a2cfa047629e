# SPDX-License-Identifier: Apache-2.0
"""The way of an upload from here to the image builder: by URLs signed for one medium, as it comes."""

from collections.abc import Callable, Iterator
from typing import Protocol

import httpx

from services.api.parts import Parts
from services.common.contracts.errors import Conflict, InnkeeperError, Invalid, TooLarge, TryAgain
from services.common.runtime.signing import sign_url

_CHUNK = 256 << 10
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_REFUSALS: dict[int, Callable[[str], InnkeeperError]] = {409: Conflict, 413: TooLarge, 422: Invalid, 503: TryAgain}


class Readable(Protocol):
    """Where bytes come from; no bytes mean the end."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""


class BuilderUploads:
    """Asks the image builder, and sends to it. Raises what it refuses; TryAgain where it can't be reached."""

    def __init__(self, parts: Parts):
        self._base = parts.settings.images_url.rstrip("/")
        self._key = parts.keys.command_private_pem
        self._http = parts.http

    def offset(self, media_id: str, size: int) -> int:
        """How many of the medium's bytes are there."""
        answer = self._ask("HEAD", media_id, size)
        return int(answer.headers["Upload-Offset"])

    def send(self, media_id: str, size: int, piece: tuple[int, int], source: Readable) -> int:
        """Pass on a piece (start, length); how many bytes are there now."""
        start, length = piece
        headers = {"Upload-Offset": str(start), "Content-Length": str(length)}
        answer = self._ask("PUT", media_id, size, headers, _chunks(source, length))
        return int(answer.headers["Upload-Offset"])

    def _ask(
        self,
        method: str,
        media_id: str,
        size: int,
        headers: dict[str, str] | None = None,
        content: Iterator[bytes] | None = None,
    ) -> httpx.Response:
        url = sign_url(f"{self._base}/uploads/{media_id}/{size}", self._key)
        try:
            answer = self._http.request(method, url, headers=headers, content=content, timeout=_TIMEOUT)
        except httpx.TransportError as error:
            # Never the URL: it holds a token.
            raise TryAgain(f"the image builder can't be reached ({type(error).__name__}); go on later") from error
        if answer.status_code == 200:
            return answer
        refusal = _REFUSALS.get(answer.status_code, TryAgain)
        detail = answer.headers.get("Refusal", "")
        raise refusal(detail or f"the image builder answered {answer.status_code}; go on later")


def _chunks(source: Readable, length: int) -> Iterator[bytes]:
    left = length
    while left and (chunk := source.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk
