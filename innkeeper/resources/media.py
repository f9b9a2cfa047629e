# SPDX-License-Identifier: Apache-2.0
"""Vendor media: imported by URL and checksum, as a job."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.catalogue import Media
from innkeeper.models.job import Job
from innkeeper.models.shape import load, part
from innkeeper.resources.collection import Collection
from innkeeper.transport import Call, Transport


class MediaLibrary(Collection[Media]):
    """/v1/media"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/media", Media)

    def add(self, spec: Mapping[str, Any]) -> Job:
        """Import a medium (its URL and sha256); the job that does it."""
        body = self._transport.json(Call("POST", self._path, json=dict(spec)))
        return load(Job, part(body, "job"))

    def delete(self, media_id: str) -> None:
        """Remove it; vms made from it stay."""
        self._transport.send(Call("DELETE", self._at(media_id)))
