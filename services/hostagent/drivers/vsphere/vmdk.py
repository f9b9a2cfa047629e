# SPDX-License-Identifier: Apache-2.0
"""A master as the one kind of file in which vSphere takes a disk from outside: a streamed VMDK, by qemu-img."""

import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from services.common.contracts.errors import HostFailed
from services.common.formats.qcow2_header import MAGIC, backing_of
from services.hostagent.drivers.base import Copied
from services.hostagent.drivers.qemu_img import PROGRAM, convert

_OPTIONS = "subformat=streamOptimized,adapter_type=lsilogic,compat6=on"
_CAPACITY = struct.Struct("<Q")  # in sectors
_CAPACITY_AT, _SECTOR = 12, 512
_FEATURES = struct.Struct(">Q")
_FEATURES_AT, _EXTERNAL_DATA = 72, 1 << 2


@dataclass(frozen=True)
class Streamed:
    """A disk in a file that can be sent as it is; sizes in bytes."""

    path: Path
    size: int
    capacity: int


def can_convert() -> bool:
    """Whether this machine has what it takes."""
    return shutil.which(PROGRAM) is not None


@contextmanager
def streamed(master: Path, format_: str, directory: Path, copied: Copied) -> Iterator[Streamed]:
    """The master as such a file, there for as long as the block; HostFailed with qemu-img's own words."""
    if not can_convert():
        raise HostFailed(f"{PROGRAM} is not installed on the agent's machine: no disk image can be brought to vSphere")
    directory.mkdir(mode=0o700, exist_ok=True)
    draft = directory / f"{uuid4().hex}.vmdk"
    try:
        yield _made(master, format_, draft, copied)
    finally:
        draft.unlink(missing_ok=True)


def drop_leftovers(directory: Path) -> None:
    """Remove what an agent that was killed has left; nothing is being converted now."""
    for path in directory.glob("*.vmdk"):
        path.unlink(missing_ok=True)


def _made(master: Path, format_: str, draft: Path, copied: Copied) -> Streamed:
    try:
        _refuse_others(master, format_)
        convert(master, "qcow2" if format_ == "qcow2" else "raw", draft, ("-O", "vmdk", "-o", _OPTIONS), copied)
        return Streamed(draft, draft.stat().st_size, _capacity(draft))
    except OSError as error:
        raise HostFailed(f"converting {master.name}: {error}") from error


def _refuse_others(master: Path, format_: str) -> None:
    """An image that names a backing or data file of its own could show a guest any file of this machine."""
    with master.open("rb") as file:
        head = file.read(_FEATURES_AT + _FEATURES.size)
    if format_ != "qcow2":
        return
    if len(head) < _FEATURES_AT + _FEATURES.size or head[:4] != MAGIC:
        raise HostFailed(f"{master.name} is not a qcow2 image")
    new = head[7] >= 3  # before, there were no features
    if backing_of(master) is not None or (new and _FEATURES.unpack_from(head, _FEATURES_AT)[0] & _EXTERNAL_DATA):
        raise HostFailed(f"{master.name} refers to another file; a base image must stand alone")


def _capacity(draft: Path) -> int:
    with draft.open("rb") as file:
        head = file.read(_CAPACITY_AT + _CAPACITY.size)
    return int(_CAPACITY.unpack_from(head, _CAPACITY_AT)[0]) * _SECTOR
