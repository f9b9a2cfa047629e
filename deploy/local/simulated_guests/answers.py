# SPDX-License-Identifier: Apache-2.0
"""What is said to a machine in its drive: by an image of `debian-12-image` to the installer, by a seed to cloud-init.

Read as these read it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from io import BytesIO
from typing import Any, BinaryIO

import pycdlib
import yaml
from pycdlib.pycdlibexception import PyCdlibException

from services.imagebuilder.masters.guest_agent import CONFIG_PATH

_ARCHIVE = "/innkeeper/answers.cpio"
_USER_DATA, _NETPLAN = "answers/seed/user-data", "answers/target/etc/netplan/50-innkeeper.yaml"
_SEED_USER_DATA, _SEED_NETWORK = "/user-data", "/network-config"
_OURS = "innkeeper.yaml"  # beside a script of the user's own (imagebuilder.seed)
_HEADER, _END = 110, "TRAILER!!!"


class Unreadable(Exception):
    """The image is none that a simulated guest understands; the text says why."""


@dataclass(frozen=True)
class Answers:
    """The system to be: its name and network, where its agent reports, and whether it must be installed first."""

    hostname: str
    network: dict[str, Any]
    url: str
    token: str
    installs: bool = True

    def __repr__(self) -> str:
        return f"Answers(hostname={self.hostname!r}, url={self.url!r}, token=***)"


def read_answers(image: BinaryIO) -> Answers:
    """Raises Unreadable, or OSError of the file's."""
    medium = pycdlib.PyCdlib()
    try:
        medium.open_fp(image)
        archive = _file(medium, _ARCHIVE)
        if archive is None:
            return _answers(_needed(medium, _SEED_USER_DATA), _needed(medium, _SEED_NETWORK), installs=False)
        files = dict(_unpacked(archive))
        return _answers(files[_USER_DATA], files[_NETPLAN], installs=True)
    except PyCdlibException as error:
        raise Unreadable(f"it is no CD-ROM ({error})") from error
    except KeyError as error:
        raise Unreadable(f"its answers lack {error}") from error
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise Unreadable("its answers are odd") from error


def _answers(user_data: bytes, network: bytes, installs: bool) -> Answers:
    told, links = yaml.safe_load(_ours(user_data)), yaml.safe_load(network)
    written = {file["path"]: b64decode(file["content"]) for file in told.get("write_files", ())}
    agent = json.loads(written[CONFIG_PATH])
    return Answers(told["hostname"], links.get("network", links), agent["url"], agent["token"], installs)


def _ours(user_data: bytes) -> bytes:
    """The part that is the platform's, where there is one of the user's own beside it."""
    parts = message_from_bytes(user_data).walk() if user_data.startswith(b"Content-Type: multipart") else ()
    ours = (part.get_payload(decode=True) for part in parts if part.get_filename() == _OURS)
    return next((payload for payload in ours if isinstance(payload, bytes)), user_data)


def _needed(medium: Any, path: str) -> bytes:
    found = _file(medium, path)
    if found is None:
        raise KeyError(path)
    return found


def _file(medium: Any, path: str) -> bytes | None:
    """A file by its whole name; None where there is none."""
    out = BytesIO()
    try:
        medium.get_file_from_iso_fp(out, rr_path=path)
    except PyCdlibException:
        return None
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
