# SPDX-License-Identifier: Apache-2.0
"""What an installation image of `debian-12-image` says to its machine, read as its installer reads it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import pycdlib
import yaml
from pycdlib.pycdlibexception import PyCdlibException

from services.imagebuilder.masters.guest_agent import CONFIG_PATH

_ARCHIVE = "/innkeeper/answers.cpio"
_USER_DATA, _NETPLAN = "answers/seed/user-data", "answers/target/etc/netplan/50-innkeeper.yaml"
_HEADER, _END = 110, "TRAILER!!!"


class Unreadable(Exception):
    """The image is none that a simulated guest understands; the text says why."""


@dataclass(frozen=True)
class Answers:
    """The system to be: its name and network, and where its agent reports."""

    hostname: str
    network: dict[str, Any]
    url: str
    token: str

    def __repr__(self) -> str:
        return f"Answers(hostname={self.hostname!r}, url={self.url!r}, token=***)"


def read_answers(image: BinaryIO) -> Answers:
    """Raises Unreadable, or OSError of the file's."""
    files = dict(_unpacked(_archive(image)))
    try:
        user_data = yaml.safe_load(files[_USER_DATA])
        network = yaml.safe_load(files[_NETPLAN])["network"]
        written = {file["path"]: b64decode(file["content"]) for file in user_data.get("write_files", ())}
        told = json.loads(written[CONFIG_PATH])
        return Answers(user_data["hostname"], network, told["url"], told["token"])
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise Unreadable(
            f"its answers lack {error}" if isinstance(error, KeyError) else "its answers are odd"
        ) from error


def _archive(image: BinaryIO) -> bytes:
    medium, out = pycdlib.PyCdlib(), BytesIO()
    try:
        medium.open_fp(image)
        medium.get_file_from_iso_fp(out, rr_path=_ARCHIVE)
        medium.close()
    except PyCdlibException as error:
        raise Unreadable(f"no {_ARCHIVE} on it ({error})") from error
    return out.getvalue()


def _unpacked(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file, by the format's description (cpio(5), newc)."""
    at = 0
    while archive[at : at + 6] == b"070701":
        sizes = [int(archive[at + 6 + n * 8 : at + 14 + n * 8], 16) for n in range(13)]
        size, named = sizes[6], sizes[11]
        name = archive[at + _HEADER : at + _HEADER + named - 1].decode()
        data = at + (_HEADER + named + 3) // 4 * 4
        at = data + (size + 3) // 4 * 4
        if name == _END:
            return
        yield name, archive[data : data + size]
