# SPDX-License-Identifier: Apache-2.0
"""Vendor media: imported by URL and checksum, as a job, or sent from here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from innkeeper.models.catalogue import Media, Upload
from innkeeper.models.job import Job
from innkeeper.models.shape import load, part
from innkeeper.resources.collection import Collection
from innkeeper.resources.sending import Sending
from innkeeper.transport import Call, Transport

Told = Callable[[int], None]  # bytes that are there


@dataclass(frozen=True)
class Begun:
    """A medium that is on its way: by a job, or, without one, by what you send."""

    media: Media
    job: Job | None


class MediaLibrary(Collection[Media]):
    """/v1/media"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/media", Media)

    def add(self, spec: Mapping[str, Any]) -> Job:
        """Import a medium (its URL and sha256); the job that does it."""
        body = self._transport.json(Call("POST", self._path, json=dict(spec)))
        return load(Job, part(body, "job"))

    def expect(self, spec: Mapping[str, Any]) -> Media:
        """Announce a medium that you will send (its size and sha256)."""
        body = self._transport.json(Call("POST", self._path, json={**spec, "upload": True}))
        return load(Media, part(body, "media"))

    def again(self, media_id: str) -> Begun:
        """Import one again that was collected or has failed; without a job in the answer, send it."""
        body = self._transport.json(Call("POST", self._at(media_id, "import")))
        job = body.get("job") if isinstance(body, Mapping) else None
        return Begun(load(Media, part(body, "media")), load(Job, job) if job else None)

    def sent(self, media_id: str) -> Upload:
        """How far the sending of it is."""
        return load(Upload, self._transport.json(Call("GET", self._at(media_id, "content"))))

    def send(self, media_id: str, file: BinaryIO, told: Told = lambda _: None) -> Job:
        """Send a medium, from where the last try broke off; the job that checks and keeps it."""
        return Sending(self._transport, self._at(media_id, "content"), lambda: self.sent(media_id)).run(file, told)

    def protect(self, media_id: str, protect: bool = True) -> Media:
        """Never let it be collected to make room, or let it again."""
        body = self._transport.json(Call("PATCH", self._at(media_id), json={"protect": protect}))
        return load(Media, body)

    def delete(self, media_id: str) -> None:
        """Remove it; vms made from it stay."""
        self._transport.send(Call("DELETE", self._at(media_id)))
