# SPDX-License-Identifier: Apache-2.0
"""An OVA: a tar with a descriptor, the disk it describes, and perhaps a manifest of their sums."""

from collections.abc import Mapping

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.media.manifest import check_manifest
from services.imagebuilder.media.ovf import disk_file
from services.imagebuilder.media.tar_members import members_of
from services.imagebuilder.media.window import Window

_MOST = 1 << 20  # bytes of a descriptor or a manifest: those of appliances have some KiB


def disk_in(file: Window) -> Window:
    """Where the one disk of an OVA lies in it; ImageFailed says what is wrong with it."""
    members = members_of(file)
    descriptor = _only(members, ".ovf")
    if not descriptor:
        raise ImageFailed("the archive has no descriptor (*.ovf): it is no OVA; give the image that is in it")
    disk = disk_file(_text_of(members, descriptor))
    if disk not in members:
        raise ImageFailed(f"the OVA's descriptor names the disk {disk[:80]!r}, which is not in it; export it anew")
    manifest = _only(members, ".mf")
    if manifest:
        text = _text_of(members, manifest).decode("utf-8", "replace")
        check_manifest(text, members, (descriptor, disk))
    return members[disk]


def _only(members: Mapping[str, Window], suffix: str) -> str:
    """The one file with this ending, "" for none."""
    found = [name for name in members if name.lower().endswith(suffix)]
    if len(found) > 1:
        raise ImageFailed(f"the OVA has {len(found)} files *{suffix}, and may have one; export it anew")
    return found[0] if found else ""


def _text_of(members: Mapping[str, Window], name: str) -> bytes:
    if members[name].size > _MOST:
        raise ImageFailed(f"the OVA's {name!r} has {members[name].size} bytes; {_MOST} are the most")
    return members[name].read(0, _MOST)
