# SPDX-License-Identifier: Apache-2.0
"""Where an agent keeps what: masters by content, a directory for each vm, volumes by id, short paths for ports."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from services.common.contracts.errors import HostFailed

_SOCKET_PATH_MAX = 107  # sun_path, less the final zero
_NEEDS, _WHOLE = "masters", "end"  # a file in a vm's directory, and its last line
_MASTER = re.compile(r"[0-9a-f]{64}")
_PORT_NAME = "ports/0123456789abcdef"


class VmFiles:
    """The paths under an agent's directory. Ids are parsed as UUIDs first, so no name can lead out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.masters = root / "masters"
        self.vms = root / "vms"
        self.ports = root / "ports"
        self.volumes = root / "volumes"

    def prepare(self) -> None:
        """Make the directories; a hypervisor's own user may pass through (0711), only we may list."""
        for directory in (self.root, self.masters, self.vms, self.ports, self.volumes):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711)

    def kept_masters(self) -> set[str]:
        """The masters that are here, by their sha256."""
        return {path.name for path in self.masters.iterdir() if _MASTER.fullmatch(path.name)}

    def vm(self, vm: str) -> Path:
        """The vm's own directory, which may not exist. HostFailed when `vm` is no id."""
        return self.vms / _canonical(vm)

    def port(self, vm: str) -> Path:
        """The socket of the vm's guest port: short, since a socket's path may have 107 bytes."""
        return self.ports / _canonical(vm).replace("-", "")[-16:]

    def volume(self, volume: str) -> Path:
        """The file of a volume, which may not exist. HostFailed when `volume` is no id."""
        return self.volumes / f"{_canonical(volume, 'volume')}.qcow2"

    def holder(self, volume: str) -> str:
        """The vm a volume is plugged into, "" for none."""
        return self._held(volume)[0]

    def datastore_of(self, volume: str) -> str:
        """Where a volume lies that is plugged into a vm: "" in the directory, else on the datastore of that name."""
        return self._held(volume)[1]

    def _held(self, volume: str) -> tuple[str, str]:
        try:
            vm, _, datastore = self._holding(volume).read_text(encoding="ascii").partition(" ")
        except FileNotFoundError:
            return "", ""
        return vm, datastore

    def hold(self, volume: str, vm: str, datastore: str = "") -> None:
        """Remember that a volume is the vm's, and where it lies; "" that it is nobody's."""
        if not vm:
            self._holding(volume).unlink(missing_ok=True)
            return
        draft = self._holding(volume).with_suffix(".draft")
        draft.write_text(f"{_canonical(vm)} {datastore}".rstrip(), encoding="ascii")
        draft.rename(self._holding(volume))

    def _holding(self, volume: str) -> Path:
        return self.volume(volume).with_suffix(".vm")

    def held_by(self, vm: str) -> list[str]:
        """The volumes that are plugged into a vm."""
        return sorted(path.stem for path in self.volumes.glob("*.vm") if self.holder(path.stem) == vm)

    def known(self) -> set[str]:
        """The ids of all vms that have a directory."""
        return {entry.name for entry in self.vms.iterdir() if entry.is_dir()} if self.vms.is_dir() else set()

    def note_masters(self, vm: str, sums: Iterable[str]) -> None:
        """Remember in the vm's directory that it needs these masters, beside those it needed before."""
        directory = self.vm(vm)
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = directory / f".{_NEEDS}.draft"
        needed = sorted({*sums, *(self.masters_of(vm) or ())})
        draft.write_text("\n".join([*needed, _WHOLE]), encoding="ascii")
        draft.rename(directory / _NEEDS)

    def masters_of(self, vm: str) -> set[str] | None:
        """The masters the vm needs; None where nobody has noted it, or the note was lost with the machine's power."""
        try:
            words = (self.vm(vm) / _NEEDS).read_text(encoding="ascii", errors="replace").split()
        except FileNotFoundError:
            return None
        # Not synced when it was written: what lacks its last line says nothing.
        return set(words[:-1]) if words and words[-1] == _WHOLE else None

    def erase(self, vm: str) -> None:
        """Remove the vm's directory and port; what was never there is fine."""
        directory = self.vm(vm)
        if directory.exists():
            shutil.rmtree(directory)
        self.port(vm).unlink(missing_ok=True)

    def used_bytes(self) -> int:
        """Bytes really allocated on disk under the directory; a file that vanishes meanwhile counts nothing."""
        return sum(_allocated(path) for path in self.root.rglob("*"))


def path_too_long(root: Path) -> int:
    """By how many bytes `root` is too long for its guest ports' sockets; 0 when it fits."""
    return max(0, len(str(root / _PORT_NAME).encode()) - _SOCKET_PATH_MAX)


def _canonical(text: str, of: str = "vm") -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise HostFailed(f"{text!r} is not the id of a {of}") from error


def _allocated(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0
