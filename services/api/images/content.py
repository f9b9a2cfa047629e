# SPDX-License-Identifier: Apache-2.0
"""An image's bytes, passed on from the image builder as they come: nothing is kept here, not even for a moment."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import httpx
from flask import Response

from services.api import problems
from services.api.images.orders import built
from services.api.parts import Parts
from services.common.contracts.errors import TryAgain
from services.common.runtime.log import get_logger
from services.common.runtime.signing import sign_url

log = get_logger(__name__)
MEDIA_TYPE = "application/octet-stream"
_PASSED_ON = ("Content-Length", "Content-Range", "Accept-Ranges")
# Long enough for the first byte; what was begun with a token may go on after it.
_OPENS_S = 60
_CHUNK = 1 << 17
_WHOLE, _PART, _NO_SUCH_RANGE = 200, 206, 416
_GONE = (404, 503)  # the file, or the master it lies on


class _Gone(Exception):
    """The image builder has the file no more; it can be built again."""


@dataclass(frozen=True)
class Asked:
    """Which bytes are wanted: of an image by its id and file, all or a range, or only how many there are (HEAD)."""

    image_id: str
    file: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


def opened(parts: Parts, asked: Asked) -> httpx.Response:
    """The image builder's answer, its body unread; close it. What it has lost is built once more.

    Raises TryAgain where the image builder is away.
    """
    try:
        return _opened(parts, asked)
    except _Gone:
        again = built(parts, asked.image_id)
    try:
        return _opened(parts, Asked(asked.image_id, again.file, asked.method, asked.headers))
    except _Gone as error:
        raise TryAgain("the image builder has just lost this image; try again") from error


def _opened(parts: Parts, asked: Asked) -> httpx.Response:
    url = f"{parts.settings.images_url.rstrip('/')}/images/{asked.image_id}/{asked.file}"
    signed = sign_url(url, parts.keys.command_private_pem, _OPENS_S)
    request = parts.http.build_request(
        asked.method, signed, headers={"Accept-Encoding": "identity", "User-Agent": "innkeeper-api", **asked.headers}
    )
    try:
        answer = parts.http.send(request, stream=True)
    except httpx.HTTPError as error:
        raise TryAgain(f"the image builder can't be reached ({type(error).__name__}); try again") from error
    if answer.status_code in (_WHOLE, _PART, _NO_SUCH_RANGE):
        return answer
    answer.close()
    if answer.status_code in _GONE:
        raise _Gone
    log.error("the image builder hands an image not out", image=asked.image_id, status=answer.status_code)
    raise TryAgain("the image builder does not hand the image out; its log says why")


def response(answer: httpx.Response, headers: Mapping[str, str], ended: Callable[[], None] | None = None) -> Response:
    """`answer` as ours, of the same length and range; `ended` is called when the reader has it, or has left."""
    kept = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    if answer.status_code == _NO_SUCH_RANGE:
        answer.close()
        return _no_such_range(kept["Content-Range"])
    every = {**kept, "Cache-Control": "private, no-store", **headers}
    found = Response(_begun(answer), status=answer.status_code, headers=every, mimetype=MEDIA_TYPE)
    found.call_on_close(answer.close)
    if ended is not None:
        found.call_on_close(ended)
    return found


def _begun(answer: httpx.Response) -> Iterator[bytes]:
    """The bytes, the first of which are here already: what goes wrong before them can still be said as an error.

    What breaks off later is raised: the server closes the connection, and the reader sees that it is too short.
    """
    chunks = answer.iter_raw(_CHUNK)
    try:
        first = next(chunks, b"")
    except httpx.HTTPError as error:
        answer.close()
        raise TryAgain(f"the image builder broke off ({type(error).__name__}); try again") from error
    return chain((first,), chunks)


def _no_such_range(extent: str) -> Response:
    detail = f"the image has no such range; it is {extent}"
    body = {"title": "No such range", "code": "http-error", "detail": detail, "errors": []}
    return problems.answer(_NO_SUCH_RANGE, body, {"Content-Range": extent})
