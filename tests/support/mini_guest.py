# SPDX-License-Identifier: Apache-2.0
"""The mini guest's kernel with a first process of a test's own, booted without a boot loader."""

from dataclasses import dataclass
from pathlib import Path

from services.common.contracts.commands import Artifact
from services.common.contracts.errors import ImageFailed
from services.imagebuilder.masters import cpio
from services.imagebuilder.masters.ensure import ensure_master
from services.imagebuilder.masters.store import MasterStore
from tests.support.hypervisor import artifact, as_file
from tests.support.missing import missing


@dataclass(frozen=True)
class MiniGuest:
    """What a plan says of its boot, and where the files are."""

    kernel: Artifact
    initrd: Artifact
    cmdline: str
    files: dict[str, Path]


def mini_guest(directory: Path, init: bytes) -> MiniGuest:
    """The kernel and the initramfs, the latter with `init` laid over its own."""
    store = MasterStore(Path.home() / ".cache" / "innkeeper")
    try:
        master = ensure_master(store, "mini", lambda *_: None)
    except ImageFailed as error:
        missing(error.detail)
    kernel = master.files["kernel"]
    over = cpio.archive({"init": cpio.file(init, 0o755)})
    initrd = store.path(master.files["initrd"].sha256).read_bytes() + over
    made = artifact(initrd, format_="initrd")
    booted = Artifact(kernel.sha256, kernel.size, kernel.format, "", shared=True)
    files = {kernel.sha256: store.path(kernel.sha256), made.sha256: as_file(directory, initrd)}
    return MiniGuest(booted, made, master.cmdline, files)
