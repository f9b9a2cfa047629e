# SPDX-License-Identifier: Apache-2.0
"""A Debian base image from packages alone: mmdebstrap, mkfs.ext4 -d, GRUB as bytes.

A recipe (recipes/<name>.yaml) says what is in it.
"""

import hashlib
import io
import os
import shlex
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

from services.common.contracts.codec import load
from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import guest_agent
from services.imagebuilder.masters.debian_sources import Mirrors, machine_mirrors, proxy_options
from services.imagebuilder.masters.disk import FIRST, GRUB, GRUB_EFI, SECTOR, write_boot_loader
from services.imagebuilder.masters.programs import need, run
from services.imagebuilder.masters.store import Built

RECIPES = Path(__file__).parent / "recipes"
# Changes when this code builds something else from the same recipe.
VERSION = 2
_MIB = 1 << 20
# What mmdebstrap says, how far that is (of this build), and what people read.
PHASES = (
    ("running apt-get update", 2, "reading the package index"),
    ("downloading packages", 6, "downloading packages"),
    ("extracting archives", 18, "unpacking the essential packages"),
    ("installing essential packages", 24, "installing the essential packages"),
    ("installing remaining packages", 34, "installing packages"),
    ("running --customize-hook", 66, "configuring"),
    ("cleaning package lists", 68, "cleaning"),
    ("creating tarball", 70, "packing the root file system"),
)
_CLEAN = (
    'rm -rf "$1"/etc/ssh/ssh_host_* "$1"/var/log/* "$1"/var/lib/systemd/random-seed "$1"/var/cache/debconf/*-old '
    '"$1"/var/lib/dpkg/*-old "$1"/etc/resolv.conf && mkdir -p "$1"/var/log && '
    'ln -s ../run/systemd/resolve/stub-resolv.conf "$1"/etc/resolv.conf'
)
# As root: mounts that are seen nowhere else, and processes that end with us, so that a build that is killed leaves
# neither behind. Otherwise mmdebstrap makes such namespaces itself.
_NAMESPACES: Mapping[bool, Sequence[str]] = {
    True: ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
    False: (),
}
# Extract and fill the file system in one go, since both need the same idea of who owns what. The tar is descriptor 0
# and the disk descriptor 3: seen from a user namespace, their folders may be out of reach.
_FILL = """set -eu
tree=$(mktemp -d -p "$1"); trap 'rm -rf "$tree"' EXIT
tar -C "$tree" --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' -x
features=^metadata_csum_seed,^orphan_file
mkfs.ext4 -q -F -L "$2" -m 1 -O $features -E offset=$3,lazy_itable_init=1,nodiscard -d "$tree" /proc/self/fd/3 "$4"
"""


@dataclass(frozen=True)
class Recipe:
    """A recipes/<name>.yaml, checked."""

    release: str
    keyring: str
    size_mib: int
    label: str
    cmdline: str
    packages: tuple[str, ...]
    exclude_paths: tuple[str, ...] = ()
    keep_paths: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()


def read_recipe(name: str) -> Recipe:
    """The recipe of that name; ValueError says what is wrong with it."""
    return load(Recipe, yaml.safe_load((RECIPES / f"{name}.yaml").read_bytes()))


@lru_cache
def recipe_key(name: str) -> str:
    """What the master is kept under: another recipe, builder or guest agent gives another key."""
    digest = hashlib.sha256(f"{VERSION}\n".encode())
    digest.update((RECIPES / f"{name}.yaml").read_bytes())
    digest.update(guest_agent.pyz())
    return f"{name}-{digest.hexdigest()[:16]}"


def overlay(recipe: Recipe, mirrors: Mirrors) -> bytes:
    """A tar of everything that lies under the packages: files, masks, the guest agent. The same bytes each time."""
    files = dict(recipe.files)
    lines = mirrors.without_secrets().lines(recipe.release, recipe.keyring)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, text in sorted({**files, guest_agent.UNIT_PATH: guest_agent.UNIT}.items()):
            _add(tar, path, text.encode())
        _add(tar, "/etc/innkeeper-sources", "".join(f"{line}\n" for line in lines).encode())
        _add(tar, guest_agent.PYZ_PATH, guest_agent.pyz(), mode=0o755)
        for unit in sorted(recipe.mask):
            link = tarfile.TarInfo(f"etc/systemd/system/{unit}")
            link.type, link.linkname = tarfile.SYMTYPE, "/dev/null"
            tar.addfile(link)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size = len(content)
    entry.mode = mode or (0o755 if content.startswith(b"#!") else 0o644)
    tar.addfile(entry, io.BytesIO(content))


def bootstrap_command(recipe: Recipe, mirrors: Mirrors, work: Path) -> list[str]:
    """The mmdebstrap call that writes work/root.tar."""
    units = " ".join(shlex.quote(unit) for unit in (*recipe.enable, guest_agent.UNIT_NAME))
    laid = shlex.quote(str(work / "overlay.tar"))
    return [
        *_NAMESPACES[os.geteuid() == 0],
        "env",
        f"TMPDIR={_scratch(work)}",
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        "--architectures=amd64",
        "--format=tar",
        f"--include={','.join(recipe.packages)}",
        *(f"--dpkgopt=path-exclude={path}" for path in recipe.exclude_paths),
        *(f"--dpkgopt=path-include={path}" for path in recipe.keep_paths),
        *(f"--aptopt={option}" for option in proxy_options()),
        f"--essential-hook=tar-in {laid} /",
        f'--customize-hook=chroot "$1" systemctl enable {units}',
        '--customize-hook=mv "$1"/etc/innkeeper-sources "$1"/etc/apt/sources.list',
        f"--customize-hook={_CLEAN}",
        recipe.release,
        str(work / "root.tar"),
        *mirrors.lines(recipe.release, recipe.keyring),
    ]


def _reporter(progress: Progress) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        for text, percent, said in PHASES:
            if text in line:
                progress(percent, said)

    return on_line


def build(name: str, work: Path, progress: Progress) -> Built:
    """Make the recipe's disk in `work`; ImageFailed says what is missing or what failed."""
    recipe, root = read_recipe(name), os.geteuid() == 0
    programs = (
        "mmdebstrap",
        "tar",
        "mkfs.ext4",
        "grub-mkimage",
        "mformat",
        "mmd",
        "mcopy",
        "qemu-img",
        "setpriv",
        "unshare",
    )
    loaders = (str(GRUB / "boot.img"), str(GRUB_EFI / "moddep.lst"))
    need(f"building {name}", (*programs, *loaders, recipe.keyring, *(() if root else ("newuidmap",))))
    _may_build(name, root)
    mirrors = machine_mirrors()
    (work / "overlay.tar").write_bytes(overlay(recipe, mirrors))
    run(bootstrap_command(recipe, mirrors, work), _reporter(progress))
    disk = work / "disk.raw"
    _make_disk(recipe, disk, work, progress)
    progress(86, "compressing the image")
    image = work / "disk.qcow2"
    run(["qemu-img", "convert", "-O", "qcow2", "-c", "-o", "compression_type=zstd", str(disk), str(image)])
    return Built({"root": (image, "qcow2")}, recipe.cmdline)


def _may_build(name: str, root: bool) -> None:
    """Raise ImageFailed where the kernel doesn't let us: no mounts in most containers, no user namespaces elsewhere."""
    probe = ["unshare", "--mount", "true"] if root else ["mmdebstrap", "--unshare-helper", "true"]
    try:
        run(probe)
    except ImageFailed as error:
        what = "mount file systems" if root else "use user namespaces and the /etc/subuid entry of its user"
        raise ImageFailed(
            f"building {name} needs to {what}, and may not here ({error.detail}); "
            f"build it on a machine where that works (python -m services.imagebuilder.masters {name} --state-dir DIR) "
            "and copy DIR/masters here"
        ) from error


def _scratch(work: Path) -> Path:
    """A folder on disk (/tmp may be memory) that this build may fill, a user namespace's root as well."""
    return work if os.geteuid() == 0 else Path("/var/tmp")


def _make_disk(recipe: Recipe, disk: Path, work: Path, progress: Progress) -> None:
    progress(74, "making the file system")
    with open(disk, "wb") as file:
        file.truncate(recipe.size_mib << 20)
    if os.geteuid() != 0:
        # Seen from a user namespace the file belongs to nobody: it must be writable by its mode.
        disk.chmod(0o666)
    helper = "" if os.geteuid() == 0 else "mmdebstrap --unshare-helper "
    redirect = f'tar="$1" disk="$2" fill="$3"; shift 3; {helper}sh -c "$fill" fill "$@" <"$tar" 3<>"$disk"'
    size = (str(FIRST * SECTOR), f"{recipe.size_mib - FIRST * SECTOR // _MIB}M")
    files = (str(work / "root.tar"), str(disk))
    run(["sh", "-c", redirect, "fill", *files, _FILL, str(_scratch(work)), recipe.label, *size])
    (work / "root.tar").unlink()
    progress(82, "writing the boot loader")
    write_boot_loader(disk, recipe.label, work)
