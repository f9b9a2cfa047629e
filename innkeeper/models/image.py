# SPDX-License-Identifier: Apache-2.0
"""Images, and what they hold."""

from dataclasses import dataclass

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
