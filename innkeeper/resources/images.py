# SPDX-License-Identifier: Apache-2.0
"""Images without a vm."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.image import ImagePreview
from innkeeper.models.shape import load
from innkeeper.transport import Call, Transport


class Images:
    """/v1/images"""

    def __init__(self, transport: Transport):
        self._transport = transport

    def preview(self, spec: Mapping[str, Any]) -> ImagePreview:
        """The files a vm of this spec would be set up by; nothing is built, secrets are masked."""
        return load(ImagePreview, self._transport.json(Call("POST", "/v1/images:preview", json=dict(spec))))
