# SPDX-License-Identifier: Apache-2.0
"""How an installation image reaches a host, as a ladder: the first way the host has is taken.

An overlay costs a few KB a vm, since hosts keep masters. A host that can't put one in a drive gets the whole image,
which is streamed from master and overlay when it fetches it: a copy on the host, but none here.
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from services.common.contracts.commands import Artifact, DiskPlan
from services.common.formats.spliced import Spliced
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.installation import Installation
from services.imagebuilder.places import INSTALL, Places

OVERLAY = "iso-overlay"  # the capability of a host's driver (hostagent.drivers.base.Capability)
Deliver = Callable[[Places, str, Installation], DiskPlan]


@dataclass(frozen=True)
class Rung:
    """A way, and the capability it needs of a host ("": every host has it)."""

    capability: str
    deliver: Deliver


def _overlay(places: Places, vm_id: str, made: Installation) -> DiskPlan:
    digest, size = sha256_of(made.overlay)
    overlay = Artifact(digest, size, "qcow2", places.image_url(vm_id, INSTALL), shared=False)
    master = made.master
    backing = Artifact(master.sha256, master.layout.size, "iso", places.shared_url(master.sha256))
    return DiskPlan("installer", base=overlay, device="cdrom", backing=backing)


def _whole(places: Places, vm_id: str, made: Installation) -> DiskPlan:
    digest = hashlib.sha256()
    with Spliced(made.overlay) as image:
        for chunk in image.views():
            digest.update(chunk)
        size = image.size
    name = INSTALL.replace(".qcow2", ".iso")
    iso = Artifact(digest.hexdigest(), size, "iso", places.image_url(vm_id, name), shared=False)
    return DiskPlan("installer", base=iso, device="cdrom")


LADDER = (Rung(OVERLAY, _overlay), Rung("", _whole))


def installer_disk(places: Places, vm_id: str, made: Installation, capabilities: Collection[str]) -> DiskPlan:
    """The drive with the vm's installation image, as a host with these capabilities can have it."""
    rung = next(rung for rung in LADDER if not rung.capability or rung.capability in capabilities)
    return rung.deliver(places, vm_id, made)
