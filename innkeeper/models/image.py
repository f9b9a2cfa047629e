# SPDX-License-Identifier: Apache-2.0
"""Images, and what they hold."""

from dataclasses import dataclass
from datetime import datetime

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class PreviewedFile(Answer):
    """A file as the guest would find it."""

    path: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ImagePreview(Answer):
    """Everything a guest would be set up by; where a secret would stand there is a mask."""

    os: str
    files: tuple[PreviewedFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Image(Answer):
    """An image that was built without a vm; `url` is good for minutes, and for whoever has it."""

    id: str
    name: str = ""
    os: str = ""
    state: str = ""
    macs: tuple[str, ...] = ()  # of its links: what the machine's cards must have
    size: int | None = None
    sha256: str = ""
    url: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
