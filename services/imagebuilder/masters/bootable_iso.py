# SPDX-License-Identifier: Apache-2.0
"""An installation medium of our own that boots by BIOS and by UEFI, from a disc and from a stick: GRUB's own tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.imagebuilder.masters.programs import need, run

_EFI = "/usr/lib/grub/x86_64-efi/moddep.lst"
_BIOS = "/usr/lib/grub/i386-pc/boot.img"
# All a menu without a choice needs: the fewer modules, the sooner an emulated machine is past them.
_MODULES = "iso9660 linux normal echo search part_gpt part_msdos serial terminal all_video"


@dataclass(frozen=True)
class Medium:
    """What is on it: path -> file; `menu` is GRUB's whole configuration, `volume` what the volume is called."""

    files: Mapping[str, Path]
    menu: str
    volume: str


def bootable_iso(medium: Medium, out: Path, work: Path, on_line: Callable[[str], None] = lambda line: None) -> None:
    """Write `out`; `work` is a folder for scratch. ImageFailed when a program is missing or fails."""
    need("making an installation medium", ["grub-mkrescue", "xorriso", "mformat", _BIOS, _EFI])
    tree = work / "medium"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_text(medium.menu)
    # Files are mapped, not copied; GRUB's part and the menu come from the tree.
    mapped = [word for path, file in medium.files.items() for word in ("-map", str(file), path)]
    modules = [f"--install-modules={_MODULES}", "--fonts=", "--locales=", "--themes="]
    command = ["grub-mkrescue", f"--output={out}", *modules, str(tree)]
    run([*command, "--", "-volid", medium.volume, *mapped], on_line)
