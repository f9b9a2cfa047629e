# SPDX-License-Identifier: Apache-2.0
"""A part of a file that is read as if it were one: a member of an archive, or all of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Window:
    """`size` bytes of a file, from `at` on."""

    path: Path
    at: int
    size: int

    @classmethod
    def whole(cls, path: Path) -> "Window":
        """All of a file."""
        return cls(path, 0, path.stat().st_size)

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes from there on, fewer where it ends."""
        with open(self.path, "rb") as file:
            file.seek(self.at + offset)
            return file.read(max(0, min(length, self.size - offset)))

    def inside(self, offset: int, size: int) -> "Window":
        """A part of it, which must be within it."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError(f"{size} bytes from {offset} on are not within {self.size}")
        return Window(self.path, self.at + offset, size)

    def chunks(self) -> Iterator[bytes]:
        """All of it, piece by piece."""
        with open(self.path, "rb") as file:
            file.seek(self.at)
            left = self.size
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
