# SPDX-License-Identifier: Apache-2.0
"""Sending a large file in pieces: after a break the server is asked how far it is, and the rest is sent."""

import random
from collections.abc import Callable
from typing import Any, BinaryIO

from innkeeper.errors import Busy, Conflict, FileChanged, NotTheContract, Unreachable
from innkeeper.models.catalogue import Upload
from innkeeper.models.job import Job
from innkeeper.models.shape import load
from innkeeper.transport import Call, Transport

PIECE = 16 << 20


class Sending:
    """One file to one URL. Breaks are borne as long as tries in between bring something."""

    def __init__(self, transport: Transport, path: str, asked: Callable[[], Upload], piece: int = PIECE):
        self._transport = transport
        self._path = path
        self._asked = asked
        self._piece = piece

    def run(self, file: BinaryIO, told: Callable[[int], None]) -> Job:
        """Send what is missing; the job that begins when all is there."""
        policy, best, fruitless = self._transport.patient(), -1, 0
        while True:
            try:
                upload = self._asked()
                best, fruitless = (upload.offset, 0) if upload.offset > best else (best, fruitless)
                return self._from(upload, file, told)
            except (Unreachable, Busy, Conflict) as error:
                fruitless += 1
                stands = isinstance(error, Conflict) and "offset" not in error.body
                if stands or fruitless >= policy.attempts:
                    raise
                self._transport.pause(policy.pause(fruitless, "", random.random()))

    def _from(self, upload: Upload, file: BinaryIO, told: Callable[[int], None]) -> Job:
        offset = upload.offset
        while True:
            told(offset)
            content = _piece(file, offset, min(self._piece, upload.size - offset))
            call = Call("PUT", self._path, content=content, headers=_headers(offset, content, upload.size))
            answer: Any = self._transport.json(call)
            if not isinstance(answer, dict):
                raise NotTheContract(f"{self._path} answered no upload")
            if answer.get("job"):
                told(upload.size)
                return load(Job, answer["job"])
            offset = load(Upload, answer).offset


def _piece(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    content = file.read(length)
    if len(content) < length:
        raise FileChanged(f"the file ends at byte {offset + len(content)}: shorter than it was announced")
    return content


def _headers(offset: int, content: bytes, size: int) -> dict[str, str]:
    headers = {"Content-Type": "application/octet-stream"}
    if content:
        headers["Content-Range"] = f"bytes {offset}-{offset + len(content) - 1}/{size}"
    return headers
