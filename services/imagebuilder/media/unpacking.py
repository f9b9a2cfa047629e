# SPDX-License-Identifier: Apache-2.0
"""What is kept of a medium: itself, or of an OVA or a VMDK its disk as a qcow2, which every host can use."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.masters.programs import need, run
from services.imagebuilder.media.inspect import check_medium
from services.imagebuilder.media.ova import disk_in
from services.imagebuilder.media.tar_members import is_tar
from services.imagebuilder.media.vmdk import MAGIC, check_vmdk
from services.imagebuilder.media.window import Window

Told = Callable[[float], None]  # percent; may raise, which ends the conversion
_PERCENT = re.compile(r"\((\d+(?:\.\d+)?)/100%\)")
_MEMORY = 4 << 30
_SECONDS = 7200  # of processor time
_TABLES = 64 << 20  # bytes a qcow2 has beside its data, and to spare


@dataclass(frozen=True)
class Unpacking:
    """Takes disks out of what they came in; none larger than `most` bytes."""

    most: int = 64 << 30

    def kept_of(self, medium: Path, kind: str, told: Told) -> Path:
        """The file to be kept: the medium, checked, or a qcow2 beside it. ImageFailed says why it can't be used."""
        with open(medium, "rb") as file:
            head = file.read(512)
        if not head.startswith(MAGIC) and not is_tar(head):
            check_medium(medium, kind)
            return medium
        what = "an OVA" if is_tar(head) else "a VMDK"
        if kind == "iso":
            raise ImageFailed(f"the medium is called 'iso' and is {what}; import it as a cloud-image")
        disk = disk_in(Window.whole(medium)) if is_tar(head) else Window.whole(medium)
        if disk.read(0, 4) != MAGIC:
            raise ImageFailed("the OVA's disk is no VMDK in one file; give the disk by itself, as qcow2 or raw")
        return self._converted(disk, medium.with_name(f"{medium.name}.qcow2"), told)

    def _converted(self, disk: Window, target: Path, told: Told) -> Path:
        found = check_vmdk(disk, self.most)
        need("taking the disk out of a medium", ("qemu-img", "prlimit", "setpriv"))
        free = shutil.disk_usage(target.parent).free
        if found.allocated > free:
            raise ImageFailed(f"the disk holds up to {found.allocated} bytes, and {free} are free at {target.parent}")
        try:
            run(_command(disk, target, found.allocated), lambda line: _tell(line, told))
        except ImageFailed as error:
            said = _PERCENT.sub("", error.detail).replace("|", "").split()
            raise ImageFailed(f"the disk can't be converted: {' '.join(said)}") from error
        check_medium(target, "cloud-image")
        return target


def _command(disk: Window, target: Path, allocated: int) -> list[str]:
    """Every layer is named, so that nothing is guessed from what the file says; it stands on nothing."""
    place = str(disk.path).replace(",", ",,")
    layers = (
        f"driver=vmdk,backing=,file.driver=raw,file.offset={disk.at},file.size={disk.size},"
        f"file.file.driver=file,file.file.filename={place}"
    )
    most = allocated + allocated // 8 + _TABLES
    limits = ["prlimit", f"--as={_MEMORY}", f"--cpu={_SECONDS}", f"--fsize={most}", "--core=0", "--"]
    packed = ["-O", "qcow2", "-c", "-o", "compression_type=zstd"]
    return [*limits, "qemu-img", "convert", "-p", "--image-opts", layers, *packed, str(target)]


def _tell(line: str, told: Told) -> None:
    found = _PERCENT.search(line)
    if found:
        told(float(found[1]))
