# SPDX-License-Identifier: Apache-2.0
"""The steps `build` and `discard`: everything one vm boots from, and taking it away again."""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from services.common.catalog import Delivery, OsEntry, systems
from services.common.catalog.entries import Reports
from services.common.contracts.cards import without_card
from services.common.contracts.codec import dump, load
from services.common.contracts.commands import Artifact, DiskPlan
from services.common.contracts.devices import GUEST_CHANNEL
from services.common.contracts.errors import ImageFailed, Invalid, Problem
from services.common.contracts.journal import Done, StepContext, VmView
from services.common.contracts.orders import host_of
from services.common.contracts.vm import Secrets
from services.common.runtime.keys import Keys
from services.common.store.database import Database
from services.common.store.hosts import Host
from services.common.store.vms import Vm
from services.imagebuilder.delivery import installer_disk
from services.imagebuilder.drafts import write_whole
from services.imagebuilder.installation import Installations, Wanted
from services.imagebuilder.iso import iso_image
from services.imagebuilder.metrics import SEED_SECONDS
from services.imagebuilder.places import SEED, Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.sources import Boots, Sources

_GIB = 1 << 30
# cloud-init gives a clone its name, its keys and its network anew, but leaves it the machine-id of its source.
NEW_MACHINE_ID = """#!/bin/sh
if command -v systemd-machine-id-setup >/dev/null; then
    rm -f /etc/machine-id /var/lib/dbus/machine-id
    systemd-machine-id-setup
elif command -v dbus-uuidgen >/dev/null; then
    rm -f /etc/machine-id /var/lib/dbus/machine-id
    dbus-uuidgen --ensure
fi
"""


class Builder:
    """Makes what a vm boots from. Making it twice gives the same bytes."""

    def __init__(self, database: Database, keys: Keys, places: Places, sources: Sources, installations: Installations):
        self._database = database
        self._keys = keys
        self._places = places
        self._sources = sources
        self._installations = installations

    def build(self, context: StepContext) -> Done:
        """The facts `deploy` needs: disks, kernel, initrd, cmdline, firmware; URLs are without their token."""
        vm = context.vm
        entry = systems().get(vm.spec.os)
        if entry is None:
            raise ImageFailed(f"the os {vm.spec.os!r} is not in the catalogue any more")
        if context.job.kind == "vm.clone":
            return Done(self._cloned(context, entry))
        if entry.delivery == Delivery.INSTALLER:
            return Done(_facts(self._installed(context, entry), Boots(), vm, entry))
        boots = self._sources.of(entry, vm.project, context.progress)
        disk_gib = _disk_size(vm, entry, boots)
        begun = time.perf_counter()
        seed = self._write_seed(context, entry)
        SEED_SECONDS.observe(time.perf_counter() - begun)
        disks = (DiskPlan("root", disk_gib, boots.root), DiskPlan("seed", base=seed, device="cdrom"))
        return Done(_facts(disks, boots, vm, entry))

    def _cloned(self, context: StepContext, entry: OsEntry) -> dict[str, Any]:
        """The disk is another vm's copy; the seed is its own, so that cloud-init takes it for a new machine."""
        vm, root = context.vm, DiskPlan("root", context.vm.spec.disk_gib, cloned=True)
        if not entry.renewed_by_seed:
            return _facts((root,), Boots(), vm, entry)
        direct = entry.delivery == Delivery.DIRECT_KERNEL
        boots = self._sources.of(entry, vm.project, context.progress) if direct else Boots()
        anew = "" if "first_boot" in entry.refuses else NEW_MACHINE_ID
        seed = DiskPlan("seed", base=self._write_seed(context, entry, anew), device="cdrom")
        return _facts((root, seed), boots, vm, entry)

    def _installed(self, context: StepContext, entry: OsEntry) -> tuple[DiskPlan, ...]:
        """An empty disk, and the medium that fills it: the firmware tries the disk first."""
        vm = context.vm
        root = DiskPlan("root", vm.spec.disk_gib)
        if entry.answers_on_disc:
            seed = DiskPlan("seed", base=self._write_seed(context, entry), device="cdrom")
            medium = self._installations.medium(entry, vm.project, context.progress)
            return root, DiskPlan("installer", base=medium, device="cdrom"), seed
        wanted = Wanted(vm.id, vm.project, entry, vm.spec, self._secrets(context, entry))
        made = self._installations.write(wanted, context.progress)
        return root, installer_disk(self._places, vm.id, made, self._abilities(context))

    def reseed(self, context: StepContext) -> Done:
        """The vm's seed as it shall be once its job is done; a system that was installed reads none any more."""
        vm, gone = context.vm, context.job.params.get("without")
        entry = systems().get(vm.spec.os)
        if entry is None or entry.delivery == Delivery.INSTALLER:
            return Done({"seed": None})
        spec = without_card(vm.spec, gone) if gone else vm.spec
        after = replace(context, job=replace(context.job, vm=replace(vm, spec=spec)))
        return Done({"seed": dump(self._write_seed(after, entry))})

    def discard(self, context: StepContext) -> Done:
        """Remove what was made for the vm; it may never have been there."""
        shutil.rmtree(self._places.image(context.vm.id), ignore_errors=True)
        return Done()

    def _write_seed(self, context: StepContext, entry: OsEntry, first_boot: str = "") -> Artifact:
        vm, secrets = context.vm, self._secrets(context, entry)
        secrets = replace(secrets, first_boot=first_boot) if first_boot else secrets
        content = iso_image(seed_files(entry, vm.id, vm.spec, secrets), entry.label)
        write_whole(self._places.image(vm.id) / SEED, content)
        digest = hashlib.sha256(content).hexdigest()
        return Artifact(digest, len(content), "iso", self._places.image_url(vm.id, SEED), shared=False)

    def _secrets(self, context: StepContext, entry: OsEntry) -> Secrets:
        """The vm's secrets; without a token where its host hears it over a port: what isn't needed isn't handed out."""
        with self._database.ask() as session:
            sealed = session.scalar(select(Vm.secrets).where(Vm.id == context.vm.id))
        found = load(Secrets, json.loads(self._keys.unseal(sealed))) if sealed else Secrets()
        if entry.reports == Reports.PORT and found.report_url and GUEST_CHANNEL in self._abilities(context):
            return replace(found, guest_token="", report_url="")
        return found

    def _abilities(self, context: StepContext) -> Sequence[str]:
        """What the vm's host can do."""
        with self._database.ask() as session:
            facts = session.scalar(select(Host.facts).where(Host.id == host_of(context.job))) or {}
        return tuple(facts.get("capabilities", ()))


def _disk_size(vm: VmView, entry: OsEntry, boots: Boots) -> int:
    asked = vm.spec.disk_gib
    if asked * _GIB < boots.disk_bytes:
        least = -(-boots.disk_bytes // _GIB)
        detail = f"{asked} GiB is less than the {least} GiB of {entry.display_name}'s image"
        raise Invalid(
            "the disk is too small", [Problem("/flavor", detail, f"choose a flavor with at least {least} GiB")]
        )
    return asked


def _facts(disks: tuple[DiskPlan, ...], boots: Boots, vm: VmView, entry: OsEntry) -> dict[str, Any]:
    return {
        "disks": [dump(disk) for disk in disks],
        "kernel": dump(boots.kernel) if boots.kernel else None,
        "initrd": dump(boots.initrd) if boots.initrd else None,
        "cmdline": boots.cmdline if boots.kernel else "",
        "firmware": vm.spec.firmware,
        "devices": dump(entry.devices),
    }
