# SPDX-License-Identifier: Apache-2.0
"""The mirror's own files: an index of the components that can be had, and a release file that names it."""

import lzma
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.masters.debian_sources import machine_mirrors
from tests.support.missing import missing
from tests.support.udeb_mirror import index
from tests.support.udeb_mirror.origin import Origin
from tests.support.udeb_mirror.packing import Packer

# What the installer is told beside its answers: the index is not signed by Debian.
UNSIGNED = b"d-i debian-installer/allow_unauthenticated boolean true\n"


@dataclass(frozen=True)
class Mirror:
    """What is served: `own` by path, packed components by name from `packed`, all else from `origin`."""

    origin: Origin
    own: dict[str, bytes]
    packed: Path


def made(release: str, kernel: str, cache: Path) -> Mirror:
    """A mirror for an installer of that kernel; the test ends where a part of it can't be had."""
    origin = Origin(machine_mirrors().main, cache)
    dists = f"dists/{release}"
    listed = origin.read(f"{dists}/{index.PATH}.xz")
    if listed is None:
        missing(f"{origin.url}/{dists}/{index.PATH}.xz: a mirror that lists the installer's components")
    wanted = index.needed(index.read(lzma.decompress(listed).decode(), kernel), kernel)
    held = [each for each in wanted if origin.file(each.fields["Filename"])]
    packed = cache / "packed" / release
    held = _completed(held, release, kernel, packed)
    content = index.written(held)
    named = origin.read(f"{dists}/Release") or b""
    own = {f"{dists}/{index.PATH}": content, f"{dists}/Release": index.release_with(named.decode(), content)}
    return Mirror(origin, own, packed)


def _completed(held: list[index.Component], release: str, kernel: str, packed: Path) -> list[index.Component]:
    """With what had to be packed here; nothing that an installation needs is missing then."""
    have = {each.name for each in held}
    with tempfile.TemporaryDirectory() as work:
        packer = Packer(release, kernel, packed, Path(work))
        try:
            ours = packer.pack() if {"e2fsprogs-udeb", packer.modules} - have else []
        except ImageFailed as error:
            missing(error.detail)
    held = held + [each for each in ours if each.name not in have]
    lacking = sorted({*index.ROOTS, packer.modules} - {each.name for each in held})
    if lacking:
        missing(f"components for an installation of {release} with the kernel {kernel}: {', '.join(lacking)}")
    return held
