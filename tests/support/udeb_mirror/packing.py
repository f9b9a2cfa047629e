# SPDX-License-Identifier: Apache-2.0
"""Installer components packed from the packages of the same source, for a mirror that lacks them."""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.imagebuilder.masters.debian_packages import PackageSource
from tests.support.udeb_mirror.index import Component

FOLDER = "pool/packed"
TOOLS = "e2fsprogs-udeb"
_PACKAGES = ("e2fsprogs", "libext2fs2t64", "libss2", "libcom-err2", "logsave")
# The file system and what it is made of, and the disk of a machine under QEMU.
_MODULES = ("fs/ext4", "fs/jbd2", "fs/mbcache.ko.xz", "lib", "crypto", "arch/x86/crypto", "drivers/block")


@dataclass(frozen=True)
class Packer:
    """Packs components for one release and kernel into `folder`; `work` is for scratch."""

    release: str
    kernel: str
    folder: Path
    work: Path

    @property
    def modules(self) -> str:
        """The component with the kernel's modules."""
        return f"ext4-modules-{self.kernel}-di"

    def pack(self) -> list[Component]:
        """Both, whether they were packed before or are now; ImageFailed when a package of them can't be had."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not all(self._file(name).exists() for name in (TOOLS, self.modules)):
            source, tree = PackageSource(self.release, self.work), self.work / "tree"
            source.update(lambda percent, text: None)
            source.unpack([f"linux-image-{self.kernel}", *_PACKAGES], tree)
            self._build(TOOLS, self._tools(tree))
            self._build(self.modules, self._kernel_modules(tree))
        return [Component(self._control(name) + self._placed(name)) for name in (TOOLS, self.modules)]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}_1_amd64.udeb"

    def _control(self, name: str) -> str:
        fields = [f"Package: {name}", "Version: 1", "Architecture: amd64", "Section: debian-installer"]
        fields += ["Priority: standard", "Maintainer: Nobody <nobody@example.org>"]
        if name == self.modules:
            fields += ["Provides: ext4-modules", f"Kernel-Version: {self.kernel}"]
        return "\n".join([*fields, "Description: packed for a test", ""])

    def _placed(self, name: str) -> str:
        content = self._file(name).read_bytes()
        sums = f"MD5sum: {hashlib.md5(content).hexdigest()}\nSHA256: {hashlib.sha256(content).hexdigest()}"
        return f"Filename: {FOLDER}/{self._file(name).name}\nSize: {len(content)}\n{sums}\n"

    def _tools(self, tree: Path) -> Path:
        """Programs, their libraries and mke2fs's settings; no documentation."""
        to = self.work / TOOLS
        for file in sorted(tree.rglob("*")):
            place = file.relative_to(tree)
            wanted = "sbin" in place.parts or ".so." in file.name or file.name == "mke2fs.conf"
            if wanted and "modules" not in place.parts and (file.is_symlink() or file.is_file()):
                (to / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, to / place, follow_symlinks=False)
        return to

    def _kernel_modules(self, tree: Path) -> Path:
        base, to = next(tree.rglob("modules.order")).parent, self.work / self.modules
        for module in sorted(base.rglob("*.ko*")):
            place = module.relative_to(base / "kernel")
            if any(place.is_relative_to(folder) for folder in _MODULES):
                target = to / "usr/lib/modules" / self.kernel / "kernel" / place
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(module, target)
        return to

    def _build(self, name: str, tree: Path) -> None:
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text(self._control(name))
        part = self._file(name).with_suffix(".part")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-b", tree, part], check=True, capture_output=True)
        part.rename(self._file(name))
