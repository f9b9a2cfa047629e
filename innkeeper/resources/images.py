# SPDX-License-Identifier: Apache-2.0
"""Images without a vm."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innkeeper.downloading import Download, Tell
from innkeeper.models.image import Image, ImagePreview
from innkeeper.models.shape import load
from innkeeper.resources.collection import Collection
from innkeeper.transport import Call, Transport

# The first image of a system waits for what it is made from.
BUILD_S = 900.0


class Images(Collection[Image]):
    """/v1/images"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/images", Image)

    def preview(self, spec: Mapping[str, Any]) -> ImagePreview:
        """The files a vm of this spec would be set up by; nothing is built, secrets are masked."""
        return load(ImagePreview, self._transport.json(Call("POST", "/v1/images:preview", json=dict(spec))))

    def build(self, spec: Mapping[str, Any]) -> Image:
        """An image of this spec, kept at the server for a day."""
        call = Call("POST", self._path, json=dict(spec), timeout_s=BUILD_S)
        return load(Image, self._transport.json(call))

    def download(self, image_id: str, target: Path, tell: Tell = lambda _here, _all: None) -> Image:
        """Write the image to `target`, all or nothing; goes on with what an earlier try has left beside it.

        Raises as downloading.Download.into does.
        """
        return Download(self._transport, lambda: self.get(image_id)).into(target, tell)

    def delete(self, image_id: str) -> None:
        """Remove it before its time."""
        self._transport.send(Call("DELETE", self._at(image_id)))
