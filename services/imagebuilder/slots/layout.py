# SPDX-License-Identifier: Apache-2.0
"""Slots: files of fixed size at fixed places of a master, whose content is each vm's own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """A slot to make: `path` on the medium, `size` in bytes.

    A text slot takes the place of a boot menu the medium has; any other is a new file for an archive (cpio).
    """

    name: str
    path: str
    size: int = 65536
    text: bool = False


@dataclass(frozen=True)
class Recipe:
    """How a kind of medium becomes a master; another version makes another master."""

    name: str  # a plain word
    version: int
    slots: tuple[Plan, ...]
    # Path -> text that takes the place of a file of the medium: boot menus that load a slot.
    files: tuple[tuple[str, str], ...] = ()
    # Path -> `key=words`: words added to that line of a file of the medium, which is found in capitals, too.
    edits: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Slot:
    """A slot where it is: `offset` in bytes from the master's beginning."""

    name: str
    path: str
    offset: int
    size: int
    text: bool


@dataclass(frozen=True)
class Layout:
    """All slots of a master of `size` bytes."""

    size: int
    slots: tuple[Slot, ...]

    def slot(self, name: str) -> Slot:
        """The slot of that name; KeyError when there is none."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise KeyError(name)


@dataclass(frozen=True)
class Patch:
    """What lies at `offset` of an image instead of the master's bytes."""

    offset: int
    content: bytes
