# SPDX-License-Identifier: Apache-2.0
"""The systems these clients can have, by distribution and version: those whose image boots by itself. Pure."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from services.api.images.bootable import FROM_MEDIA, boots
from services.common.catalog import OsEntry
from services.common.contracts.errors import Problem

_WAYS = re.compile(r"-(installer|image|netboot)$")
_PARTS = re.compile(r"(.+?)-(\d.*|stable)")
_LONGEST = 64
# Every spelling of these clients and their manuals; a Terraform provider compares the listed one to the letter.
_ARCHES = {
    **dict.fromkeys(("", "x86_64", "amd64", "64"), "x86_64"),
    **dict.fromkeys(("i386", "i686", "32"), "i686"),
}


@dataclass(frozen=True)
class Offer:
    """A system as it is listed, and the row of the catalogue behind it."""

    dist: str
    version: str
    entry: OsEntry

    def shown(self) -> dict[str, str]:
        """A line of the list."""
        return {
            "dist": self.dist,
            "version": self.version,
            "arch": self.entry.arch,
            "displayname": self.entry.display_name,
        }


def offers(entries: Iterable[OsEntry], media: Collection[str]) -> list[Offer]:
    """One for each distribution and version; where there are several ways, the one that needs no vendor's medium."""
    found: dict[tuple[str, str], Offer] = {}
    for entry in sorted(entries, key=lambda e: (e.source == FROM_MEDIA, e.name)):
        if boots(entry, media):
            dist, version = parts_of(entry)
            found.setdefault((dist, version), Offer(dist, version, entry))
    return [found[key] for key in sorted(found)]


def parts_of(entry: OsEntry) -> tuple[str, str]:
    """Distribution and version: debian and 12 of debian-12-image, sles and 15-sp6 of sles-15-sp6-installer."""
    plain = _WAYS.sub("", entry.name)
    parts = _PARTS.fullmatch(plain)
    return (parts[1], parts[2]) if parts else (plain, entry.version)


def chosen(listed: Sequence[Offer], dist: str, version: str, arch: str) -> tuple[Offer | None, list[Problem]]:
    """The one that was asked for; else everything that is wrong with the question."""
    known = sorted({offer.dist for offer in listed})
    dist, version, arch = dist[:_LONGEST], version[:_LONGEST], arch[:_LONGEST]
    if not dist:
        return None, [Problem("/dist", "the distribution is missing", _choice(known))]
    same = [offer for offer in listed if offer.dist == dist.lower()]
    if not same:
        near = get_close_matches(dist.lower(), known, 1)
        fix = f"did you mean {near[0]!r}?" if near else _choice(known)
        return None, [Problem("/dist", f"there is no image of {_short(dist)}", fix)]
    versions = [offer.version for offer in same]
    offer = next((offer for offer in same if offer.version == version.lower()), None)
    problems = []
    if offer is None:
        detail = f"there is no image of {dist} {_short(version)}" if version else "the version is missing"
        problems.append(Problem("/version", detail, _choice(versions)))
    problems += _arch_problems(arch, (offer or same[0]).entry)
    return (None if problems else offer), problems


def _arch_problems(arch: str, entry: OsEntry) -> list[Problem]:
    meant = _ARCHES.get(arch.lower())
    if meant == entry.arch:
        return []
    fix = f"give {entry.arch}, or leave it out"
    if meant is None:
        return [Problem("/arch", f"{_short(arch)} is no architecture that is known here", fix)]
    return [Problem("/arch", f"{entry.display_name} has no 32-bit image", fix)]


def _choice(words: Sequence[str]) -> str:
    return f"choose one of: {', '.join(words)}" if words else "none can be built here yet: import a vendor's medium"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
