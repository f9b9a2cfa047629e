# SPDX-License-Identifier: Apache-2.0
"""A vm as it is shown."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Call
from services.api.intents.abilities import verbs_of
from services.api.views.drift import drift_view
from services.api.views.links import links_view
from services.api.views.moments import moment
from services.api.views.names import Names, names_for
from services.api.views.power import vm_power_view
from services.api.views.tools import tools_view
from services.api.views.volumes import volume_views
from services.common.contracts.states import VmState
from services.common.store.cloning import linked_clones
from services.common.store.models import Vm
from services.common.store.volumes import volumes_of

JsonDict = dict[str, Any]
EDITABLE = ("name", "labels", "protect")
_PLAIN = ("hostname", "domain", "locale", "keyboard", "timezone", "users", "packages")
_LATER: JsonDict = {
    "layout": "whole",
    "firmware": "bios",
    "mirror": "",
    "proxy": "",
    "ntp": [],
    "ca_certificates": [],
    "repositories": [],
}


def vm_view(vm: Vm, names: Names) -> JsonDict:
    """Everything about a vm but its secrets."""
    spec = vm.spec
    seen = _observed(vm)
    return {
        "id": vm.id,
        "name": vm.name,
        "project": vm.project_id,
        "state": vm.state,
        "os": vm.os,
        "flavor": vm.flavor,
        "vcpus": spec["vcpus"],
        "memory_mib": spec["memory_mib"],
        "disk_gib": spec["disk_gib"],
        **{key: spec[key] for key in _PLAIN},
        **{key: spec.get(key, default) for key, default in _LATER.items()},
        **links_view(spec, names),
        "hypervisor": spec["hypervisor"],
        "zone": spec["zone"],
        "traits": spec["traits"],
        "guest_agent": spec["guest_agent"],
        "labels": vm.labels,
        "protect": vm.protect,
        "host": names.host(vm.host_id),
        "host_id": (vm.host_id or "") if names.unmasked else "",
        "power": vm.power,
        "drift": drift_view(vm),
        "pending": _pending(vm),
        "source": vm.source_id,
        "linked": vm.linked,
        "job": vm.job_id,
        "observed": seen,
        "addresses": _addresses(seen),
        "created_at": moment(vm.created_at),
        "updated_at": moment(vm.updated_at),
    }


def vm_views(call: Call, db: Session, vms: Iterable[Vm]) -> list[JsonDict]:
    """Several vms; the names they refer to are looked up once."""
    found = list(vms)
    hosts = {vm.host_id for vm in found if vm.host_id}
    networks = {nic["network"] for vm in found for nic in vm.spec["nics"]}
    names = names_for(call, db, hosts, networks)
    return [vm_view(vm, names) for vm in found]


def tagged(call: Call, db: Session, vm: Vm, bare: bool = False) -> JsonDict:
    """One vm with all that hangs on it (`bare`: nothing yet), its watts, what can be done with it now, its ETag."""
    view = vm_views(call, db, [vm])[0]
    tag = etags.make(view, EDITABLE)
    clones = [] if bare else linked_clones(db, vm.id)
    volumes = [] if bare else volume_views(call, db, volumes_of(db, vm.id))
    told = {"tools": None if bare else tools_view(db, vm), "volumes": volumes, "clones": clones}
    more = {**told, "verbs": verbs_of(db, vm, read_by_clones=bool(clones)), "etag": tag}
    return {**view, **vm_power_view(db, vm, call.now), **more}


def _pending(vm: Vm) -> JsonDict | None:
    """What it is to have once it was off; of one that is off nothing waits."""
    if not vm.pending or vm.state == VmState.STOPPED:
        return None
    return {"until": "power-off", "now": vm.pending, "then": {key: vm.spec[key] for key in vm.pending}}


def _observed(vm: Vm) -> JsonDict | None:
    if not vm.observed:
        return None
    return {**vm.observed, "at": moment(vm.seen_at)}


def _addresses(observed: JsonDict | None) -> list[str]:
    interfaces = (observed or {}).get("interfaces") or []
    every = (a for i in interfaces if i.get("name") != "lo" for a in i.get("addresses") or [])
    return [a for a in every if not a.lower().startswith(("fe80:", "127.", "::1/"))]
