# SPDX-License-Identifier: Apache-2.0
"""One machine's installation image: the answers in the slot of its medium's master, kept as an overlay of it."""

from dataclasses import dataclass
from pathlib import Path

from services.common.catalog import OsEntry, template
from services.common.contracts.commands import Artifact
from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.common.contracts.vm import Secrets, VmSpec
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.masters.windows_media import ensure_efi_image
from services.imagebuilder.places import INSTALL, Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.slots.layout import Plan, Recipe
from services.imagebuilder.slots.master import SlottedMaster, ensure_slotted
from services.imagebuilder.slots.overlay import write_overlay
from services.imagebuilder.slots.pack import pack_files
from services.imagebuilder.sources import Sources

_ANSWERS = "answers"
# Changes when the slots of a row come out otherwise from the same row.
_VERSION = 1


@dataclass(frozen=True)
class Wanted:
    """An installation image: for whom (a vm's id, or an image's own), of which system, and what shall be set up."""

    id: str
    project: str
    entry: OsEntry
    spec: VmSpec
    secrets: Secrets


@dataclass(frozen=True)
class Installation:
    """What was written: the overlay, and the master under it."""

    overlay: Path
    master: SlottedMaster


class Installations:
    """Writes them. The first of a medium makes its master, which takes a while; every other one takes milliseconds."""

    def __init__(self, store: MasterStore, places: Places, sources: Sources):
        self._store = store
        self._places = places
        self._sources = sources

    def write(self, wanted: Wanted, progress: Progress) -> Installation:
        """Write images/<id>/install.qcow2; its backing file is named as it lies from there, on a host as well.

        Invalid names the fields the system can't have; ImageFailed says why there is no medium, or none that fits.
        """
        files = seed_files(wanted.entry, wanted.id, wanted.spec, wanted.secrets)
        master = self.master(wanted.entry, wanted.project, progress)
        overlay = self._places.image(wanted.id) / INSTALL
        overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        patch = pack_files(master.layout.slot(_ANSWERS), files)
        write_overlay(overlay, master.path, [patch], backing=f"../../masters/{master.sha256}")
        return Installation(overlay, master)

    def medium(self, entry: OsEntry, project: str, progress: Progress) -> Artifact:
        """What a machine boots whose answers come on a disc of their own: the medium, with our boot menus if any."""
        plan = entry.master
        if plan is not None and not plan.menus and not plan.edits:
            plain = self._sources.medium(entry, project, progress)
            if not plan.efi:
                return self._artifact(plain.path, plain.sha256)
            return self._artifact(*ensure_efi_image(self._store, plain.path, plain.sha256, plan.efi, progress))
        made = self.master(entry, project, progress)
        return self._artifact(made.path, made.sha256)

    def _artifact(self, path: Path, sha256: str) -> Artifact:
        return Artifact(sha256, path.stat().st_size, "iso", self._places.shared_url(sha256))

    def master(self, entry: OsEntry, project: str, progress: Progress) -> SlottedMaster:
        """The system's medium with the slot in it, made now unless it is there."""
        recipe = recipe_of(entry)
        medium = self._sources.medium(entry, project, progress)
        return ensure_slotted(self._store, medium.path, medium.sha256, recipe, progress)


def recipe_of(entry: OsEntry) -> Recipe:
    """How the row's medium becomes a master; ImageFailed where the row doesn't say."""
    plan = entry.master
    if plan is None:
        raise ImageFailed(f"how the medium of {entry.display_name} starts an unattended installation is not known yet")
    menus = tuple((path, template(entry.family, name)) for path, name in sorted(plan.menus.items()))
    slots = (Plan(_ANSWERS, plan.answers, plan.size_kib * 1024),) if plan.answers else ()
    return Recipe(entry.family, _VERSION, slots, menus, tuple(sorted(plan.edits.items())))
