# SPDX-License-Identifier: Apache-2.0
"""Debian's index of installer components, read and written: which are needed, and what the mirror says it has."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

PATH = "main/debian-installer/binary-amd64/Packages"
# What an installation from a mirror can't do without, on one disk with ext4.
ROOTS = (
    *("apt-mirror-setup", "apt-setup-udeb", "base-installer", "bootstrap-base", "clock-setup", "disk-detect"),
    *("di-utils-mapdevfs", "e2fsprogs-udeb", "finish-install", "grub-installer", "partman-auto", "partman-base"),
    *("partman-basicfilesystems", "partman-ext3", "partman-partitioning", "partman-target", "pkgsel"),
    *("tzsetup-udeb", "user-setup-udeb"),
)
_MODULES = ("ext4-modules", "scsi-modules", "md-modules", "crc-modules", "crypto-modules")


@dataclass(frozen=True)
class Component:
    """One stanza of the index."""

    stanza: str

    @cached_property
    def fields(self) -> Mapping[str, str]:
        return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", self.stanza, re.MULTILINE))

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def names(self) -> set[str]:
        """Its own, and what else it stands for."""
        return {self.name, *_words(self.fields.get("Provides", ""))}

    @property
    def depends(self) -> list[str]:
        return list(_words(self.fields.get("Depends", "")))

    def with_dependencies_of(self, known: set[str]) -> str:
        """The stanza, without dependencies on what the mirror hasn't: those are in the installer's first RAM disk."""
        wanted = [entry.strip() for entry in self.fields.get("Depends", "").split(",")]
        kept = ", ".join(entry for entry in wanted if known & set(_words(entry)))
        return re.sub(r"^Depends: .*\n", f"Depends: {kept}\n" if kept else "", self.stanza, flags=re.MULTILINE)


def _words(text: str) -> Iterator[str]:
    """The names in a list of relations, without versions."""
    return (re.split(r"[\s(|:]", entry.strip())[0] for entry in text.split(",") if entry.strip())


def read(index: str, kernel: str) -> list[Component]:
    """The components that fit the kernel, one of each name."""
    components = [Component(stanza) for stanza in re.split(r"\n{2,}", index) if stanza.strip()]
    fitting = (each for each in components if each.fields.get("Kernel-Version", kernel) == kernel)
    return list({each.name: each for each in fitting}.values())


def needed(components: Sequence[Component], kernel: str) -> list[Component]:
    """What an installation takes from a mirror, and what that depends on."""
    by_name = {name: each for each in reversed(components) for name in each.names}
    by_name |= {each.name: each for each in components}
    found: dict[str, Component] = {}
    waiting = [*ROOTS, *(f"{name}-{kernel}-di" for name in _MODULES)]
    while waiting:
        component = by_name.get(waiting.pop())
        if component and component.name not in found:
            found[component.name] = component
            waiting += component.depends
    return sorted(found.values(), key=lambda each: each.name)


def written(components: Iterable[Component]) -> bytes:
    """The index of a mirror that has these and no others."""
    held = list(components)
    known = {name for each in held for name in each.names}
    return ("\n\n".join(each.with_dependencies_of(known).rstrip() for each in held) + "\n").encode()


def release_with(release: str, index: bytes) -> bytes:
    """The release file, naming that index and no packed form of it."""
    lines, section = [], ""
    for line in release.splitlines():
        section = section if line.startswith(" ") else line
        if line.endswith(f" {PATH}") and section == "SHA256:":
            lines.append(f" {hashlib.sha256(index).hexdigest()} {len(index)} {PATH}")
        elif "/debian-installer/" not in line:
            lines.append(line)
    return ("\n".join(lines) + "\n").encode()
