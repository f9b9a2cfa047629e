# SPDX-License-Identifier: Apache-2.0
"""What lies in an agent's directory, read anew for a survey: vms' directories, disks, ports, volumes."""

from collections.abc import Collection, Iterator
from pathlib import Path

from services.common.contracts.errors import HostFailed
from services.common.contracts.survey import Found, FoundKind
from services.hostagent.drivers.vm_files import VmFiles

_DISKS = (".qcow2", ".draft")


def files_found(files: VmFiles, used: Collection[str], defined: Collection[str]) -> list[Found]:
    """Every directory and volume, and the disks and ports that nothing uses.

    `used` are the files that definitions name, `defined` the vms that have one; another's files go with its directory.
    """
    ports = sorted(path for path in files.ports.iterdir()) if files.ports.is_dir() else []
    return [*_directories(files, used, defined), *_ports(files, ports), *_volumes(files)]


def _directories(files: VmFiles, used: Collection[str], defined: Collection[str]) -> Iterator[Found]:
    for vm in sorted(files.known()):
        directory = files.vms / vm
        yield Found(FoundKind.DIRECTORY, f"vms/{vm}", vm)
        for path in _disks(directory) if vm in defined else ():
            if str(path) not in used:
                yield Found(FoundKind.DISK, f"vms/{vm}/{path.name}", vm)


def _disks(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in _DISKS)
    except FileNotFoundError:
        return []  # erased in this moment


def _ports(files: VmFiles, ports: list[Path]) -> Iterator[Found]:
    """Sockets whose vm has no directory; they were listed first, so that a new vm's isn't among them."""
    owned = set()
    for vm in files.known():
        try:
            owned.add(files.port(vm))
        except HostFailed:
            continue  # a directory that no vm can have, told as one
    for path in ports:
        if path not in owned and path.exists():
            yield Found(FoundKind.PORT, f"ports/{path.name}")


def _volumes(files: VmFiles) -> Iterator[Found]:
    for path in sorted(files.volumes.glob("*.qcow2")) if files.volumes.is_dir() else ():
        try:
            vm = files.holder(path.stem)
        except HostFailed:
            vm = ""
        yield Found(FoundKind.VOLUME, f"volumes/{path.name}", vm, path.stem)
