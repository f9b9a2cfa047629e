# SPDX-License-Identifier: Apache-2.0
"""A vm that begins as a copy of another one: what it has from that one, what is its own, and why it can't be made."""

import json
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.abilities import able, need
from services.api.intents.clone_links import given_links, inherited_links
from services.api.intents.create_vm import (
    NewVm,
    given_macs_free,
    leases_of,
    name_taken,
    vm_within_quota,
    with_needs,
    write_vm,
)
from services.api.intents.guest_reports import guest_secrets
from services.api.intents.resolve import NO_SIZE, Size, World, too_small, unknown
from services.api.intents.taken import leases_taken
from services.api.intents.world import world_for
from services.common.catalog import OsEntry
from services.common.catalog.entries import Reports
from services.common.contracts.abilities import Ability
from services.common.contracts.codec import dump, load
from services.common.contracts.devices import GUEST_CHANNEL
from services.common.contracts.errors import Conflict, Invalid, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.vm import Secrets, VmSpec
from services.common.store.models import Job, Vm

_SIZES = ("vcpus", "memory_mib", "disk_gib")


def clone_vm(call: Call, db: Session, source: Vm) -> tuple[Vm, Job]:
    """Write it all, or raise Invalid, Conflict or QuotaExceeded; `source` is locked, off, and on a host that can."""
    system = call.parts.systems.get(source.os)
    if system is None:
        raise Conflict(f"the os {source.os!r} of vm {source.name!r} is not in the catalogue any more")
    before, secrets = load(VmSpec, source.spec), _secrets(call, source)
    vm_id, world = new_id(), _world(call, db, before)
    size, problems = _size(call, before, world, system)
    if not system.renewed_by_seed:
        problems += _not_its_own(call, before, system, _reports_by_itself(db, source, before, secrets, system))
    if call.body["linked"] and size.disk_gib > before.disk_gib:
        need(db, source, Ability.CLONE_LINKED_LARGER, "a linked clone with a larger disk", call.admin)
    build = given_links if "networks" in call.body else inherited_links
    model, wrong = build(vm_id, call.body, before.network, world)
    problems += wrong
    if problems:
        raise Invalid(problems[0].detail, problems)
    nets = {nic.network: world.nets[nic.network] for nic in model.nics}
    spec = with_needs(call, _spec(call, source, before, size, system), nets)
    spec = replace(spec, nics=model.nics, bonds=model.bonds, vlans=model.vlans)
    taken = [*name_taken(db, call), *leases_taken(db, leases_of(spec))]
    if taken:
        raise Conflict(taken[0].detail, taken)
    given_macs_free(db, call)
    vm_within_quota(call, db, spec)
    # What a first boot did is on the disk already: it is not done a second time.
    own = Secrets(secrets.password_hashes)
    own = guest_secrets(call, spec, own) if system.renewed_by_seed else own
    linked = call.body["linked"]
    params = {"networks": dump(nets), "source": source.id, "linked": linked}
    return write_vm(call, db, NewVm(vm_id, spec, own, "vm.clone", params, source.id, linked))


def _world(call: Call, db: Session, before: VmSpec) -> World:
    """What names mean, those of the source's own networks too."""
    links = call.body.get("networks", [{"network": nic.network} for nic in before.nics])
    return world_for(call, db, {**call.body, "networks": links})


def _secrets(call: Call, source: Vm) -> Secrets:
    return load(Secrets, json.loads(call.parts.keys.unseal(source.secrets))) if source.secrets else Secrets()


def _spec(call: Call, source: Vm, before: VmSpec, size: Size, system: OsEntry) -> VmSpec:
    name = call.body["name"]
    return replace(
        before,
        name=name,
        hostname=str(call.body.get("hostname", name)) if system.renewed_by_seed else before.hostname,
        vcpus=size.vcpus,
        memory_mib=size.memory_mib,
        disk_gib=size.disk_gib,
        flavor=size.name,
        labels=call.body.get("labels", source.labels),
        # Its place is where the disk is, whatever the source was asked for with.
        host=source.host_id or "",
        hypervisor="",
        zone="",
        traits=(),
    )


def _size(call: Call, before: VmSpec, world: World, system: OsEntry) -> tuple[Size, list[Problem]]:
    """As large as asked for, else as the source."""
    asked = call.body
    given = [key for key in _SIZES if key in asked]
    whole = "/flavor" if "flavor" in asked else ""
    if whole and given:
        detail = f"{given[0]} and flavor exclude each other"
        return NO_SIZE, [Problem(f"/{given[0]}", detail, "give the flavor, or the figures")]
    if whole and asked["flavor"] not in world.sizes:
        return NO_SIZE, [unknown("/flavor", "flavor", asked["flavor"], world.sizes, "GET /v1/flavors lists them")]
    figures = {key: asked.get(key, getattr(before, key)) for key in _SIZES}
    size = world.sizes[asked["flavor"]] if whole else Size("" if given else before.flavor, **figures)
    problems = list(too_small(asked, size, system))
    if size.disk_gib < before.disk_gib:
        detail = f"a copy of {before.name!r} has at least its {before.disk_gib} GiB of disk; this is {size.disk_gib}"
        problems.append(Problem(whole or "/disk_gib", detail, f"choose at least {before.disk_gib}, or leave it out"))
    return size, problems


def _reports_by_itself(db: Session, source: Vm, before: VmSpec, secrets: Secrets, system: OsEntry) -> bool:
    """Whether the guest says by a token on its disk who it is, and not its host by its port."""
    by_port = system.reports == Reports.PORT and able(db, source, GUEST_CHANNEL)
    return bool(before.guest_agent and system.agent and secrets.guest_token and not by_port)


def _not_its_own(call: Call, before: VmSpec, system: OsEntry, reports: bool) -> Iterator[Problem]:
    """What a system that was told once who it is, by its installer, can't have of its own."""
    why = f"{system.display_name} takes it from its installation, which is copied"
    for field in ("hostname", "networks"):
        if field in call.body:
            yield Problem(f"/{field}", why, "leave it out")
    if any(link.addresses for _, _, link in before.network.links()):
        detail = f"vm {before.name!r} has static addresses, and {system.display_name} would come up with the same ones"
        yield Problem("", detail, "clone vms of this os that learn their addresses by DHCP")
    if reports:
        detail = (
            f"the guest of {before.name!r} reports with a token on its disk: its copy would speak as {before.name!r}"
        )
        yield Problem("", detail, "make the vm anew, or clone one without guest_agent")
