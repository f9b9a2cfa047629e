# SPDX-License-Identifier: Apache-2.0
"""The manifest of an OVA: the sums of its files, one a line, as in "SHA256(disk.vmdk)= 90ab...".

It shows damage, not origin: whoever changes a file can change it, too. What is trusted is the sha256 of the whole.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.media.window import Window

_LINE = re.compile(r"(SHA1|SHA256|SHA512) ?\((.+)\) ?= ?([0-9a-fA-F]+)")


def check_manifest(manifest: str, members: Mapping[str, Window], needed: Iterable[str]) -> None:
    """Return quietly where all it names have their sums, and it names all that are needed; else ImageFailed."""
    sums = dict(_read(line.strip()) for line in manifest.splitlines() if line.strip())
    for name in needed:
        if name not in sums:
            raise ImageFailed(f"the OVA's manifest says nothing of {name!r}; export it anew, or leave the manifest out")
    for name, (method, wanted) in sums.items():
        if name not in members:
            raise ImageFailed(f"the OVA's manifest names {name[:80]!r}, which is not in it; download it again")
        got = _sum(method, members[name])
        if got != wanted:
            raise ImageFailed(
                f"wrong checksum: for {name!r} the OVA's manifest has {method} {wanted}, the file has {got}; export the"
                " OVA anew"
            )


def _read(line: str) -> tuple[str, tuple[str, str]]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ImageFailed(f"the OVA's manifest can't be read: {line[:80]!r}; leave it out, or export it anew")
    return match[2], (match[1].lower(), match[3].lower())


def _sum(method: str, member: Window) -> str:
    digest = hashlib.new(method, usedforsecurity=False)
    for chunk in member.chunks():
        digest.update(chunk)
    return digest.hexdigest()
