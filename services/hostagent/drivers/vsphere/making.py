# SPDX-License-Identifier: Apache-2.0
"""Making a vm: its images go to the datastore first, then vSphere makes the rest of it in one go.

A disk that begins as an image is a copy of a template's, made by the server; from then on it is like a clone's.

So a vm that exists is whole. What was only begun is an image or two in the vm's directory, written again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import Artifact, DeployPlan, DiskPlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere import cloning, linking
from services.hostagent.drivers.vsphere.host_facts import free_bytes, host_for_new
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machine_spec import disk_image_of, images_of, vm_spec, with_copies
from services.hostagent.drivers.vsphere.machines import Machine
from services.hostagent.drivers.vsphere.mark import mark
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.resizing import waits
from services.hostagent.drivers.vsphere.seed_drive import image_name
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.templates import Templates

_MIB = 1 << 20


@dataclass(frozen=True)
class Origins:
    """What a vm's disk may begin as: a template's copy, or what it writes over the disk of `source`, another vm."""

    templates: Templates
    source: str = ""


@dataclass(frozen=True)
class _Order:
    """A vm to be made; `images` by their places among its disks."""

    plan: DeployPlan
    owner: Owner
    images: Mapping[int, DiskPlan]
    begins_as: Artifact | None  # what its root disk is a copy of
    source: str  # the vm whose disk it stands on


def make(at: Hypervisor, origins: Origins, wanted: DeployPlan, owner: Owner, files: Mapping[str, Path]) -> None:
    """Make the vm, or hand the one that is there to its newer fence."""
    existing, plan = at.find(owner.vm), with_copies(wanted)
    if existing is None:
        try:
            _make_new(at, origins, wanted, owner, files)
        except HostFailed:
            existing = at.find(owner.vm)  # by what an agent that died had just begun
            if existing is None:
                raise
    if existing is not None:
        _hand_over(at, existing, plan, owner)
    cloning.grow(at, plan, owner.vm)


def _make_new(at: Hypervisor, origins: Origins, wanted: DeployPlan, owner: Owner, files: Mapping[str, Path]) -> None:
    base, plan = disk_image_of(wanted), with_copies(wanted)
    source = origins.source if origins.source and not cloning.is_copied(at, owner.vm) else ""
    order, doing = _Order(plan, owner, images_of(plan), base, source), f"making {plan.name}"
    place = at.call(doing, lambda seat, place: _begin(at, seat, place, order))
    hit("agent.before-volume")
    if base is not None and not cloning.is_copied(at, owner.vm):
        with origins.templates.disk_of(base, files[base.sha256]) as disk:
            cloning.copy_disk(at, owner.vm, disk)
    paths = {number: _written(at, place, owner.vm, disk, files) for number, disk in order.images.items()}
    paths |= {n: cloning.path_of(at, place, owner.vm) for n, disk in enumerate(plan.disks) if disk.cloned}
    hit("agent.after-volume")
    hit("agent.before-define")
    made = at.run(doing, lambda seat, place: _create(at, seat, place, order, paths))
    at.machines.learn(made, owner)
    hit("agent.after-define")


def _hand_over(at: Hypervisor, machine: Machine, plan: DeployPlan, owner: Owner) -> None:
    spec = vim.vm.ConfigSpec(extraConfig=[mark(owner)])
    if machine.power == Power.OFF:
        spec.extraConfig.append(waits(None))
        spec.numCPUs, spec.memoryMB = plan.vcpus, plan.memory_mib
    if machine.owner != owner or machine.power == Power.OFF:
        at.run(f"handing over {plan.name}", lambda _seat, _place: machine.ref.ReconfigVM_Task(spec))


def _begin(at: Hypervisor, seat: Seat, place: Place, order: _Order) -> Place:
    """All that can be refused is refused here, before anything is written."""
    doing = f"making {order.plan.name}"
    if seat.content.searchIndex.FindChild(place.folder, order.plan.name) is not None:
        raise HostFailed(f"{doing}: another vm in our folder has that name")
    if order.source:
        cloning.source_of(at, seat, place, order.source)
        at.datastore.make_directory(seat, place, order.owner.vm)
    elif order.begins_as is None:
        cloning.refuse_without_copy(at, seat, place, order.plan, order.owner.vm)
    for nic in order.plan.nics:
        at.networks.backing(seat, place, nic.network)
    images = [disk.backing or disk.base for disk in order.images.values()]
    if order.begins_as is not None:
        images.append(order.begins_as)
    if not images:
        return place
    # A server that runs full in the middle of an image says it in no words of its own.
    needed, free = sum(image.size for image in images if image is not None), free_bytes(seat, place)
    if needed > free:
        raise HostFailed(
            f"{doing}: datastore {place.datastore_name} has {free // _MIB} MiB free, the images of the vm take"
            f" {needed // _MIB} MiB"
        )
    at.datastore.make_directory(seat, place, order.owner.vm)
    return place


def _written(at: Hypervisor, place: Place, vm: str, disk: DiskPlan, files: Mapping[str, Path]) -> str:
    """The path of an image on the datastore, once it is there."""
    assert disk.base is not None
    name = image_name(vm, disk.role, disk.base.sha256)
    if disk.backing is not None:
        at.datastore.put_spliced(place, name, files[disk.base.sha256], files[disk.backing.sha256])
    else:
        at.datastore.put_file(place, name, files[disk.base.sha256])
    return at.datastore.path(place, name)


def _create(at: Hypervisor, seat: Seat, place: Place, order: _Order, paths: Mapping[int, str]) -> Any:
    backings = [at.networks.backing(seat, place, nic.network) for nic in order.plan.nics]
    spec = vm_spec(order.plan, order.owner, place.datastore_name, paths, backings)
    if order.source:
        parent = cloning.source_of(at, seat, place, order.source)
        linking.stand_on(spec, cloning.path_of(at, place, order.owner.vm), parent)
    return place.folder.CreateVM_Task(spec, place.pool, host_for_new(seat, place))
