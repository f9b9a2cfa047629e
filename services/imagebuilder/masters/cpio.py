# SPDX-License-Identifier: Apache-2.0
"""An initramfs archive (cpio, format newc) from a mapping. The same entries give the same bytes; no root is needed."""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Entry:
    """A file, a folder, a link or a device node; `mode` has the type's bits. `device` is (major, minor)."""

    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(content: bytes, mode: int = 0o644) -> Entry:
    """A plain file."""
    return Entry(stat.S_IFREG | mode, content)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def folder() -> Entry:
    """A folder."""
    return Entry(stat.S_IFDIR | 0o755)


def character_device(major: int, minor: int) -> Entry:
    """A node as in /dev."""
    return Entry(stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Mapping[str, Entry]) -> bytes:
    """The archive; folders that are not named are made."""
    whole = {**{path: folder() for path in _parents(entries)}, **entries}
    numbers = count(1)
    records = [_record(path, whole[path], next(numbers)) for path in sorted(whole)]
    return b"".join([*records, _record("TRAILER!!!", Entry(0), 0)])


def _parents(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _record(path: str, entry: Entry, inode: int) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    numbers = (inode, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"%08x" * len(numbers) % numbers
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
