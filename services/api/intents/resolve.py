# SPDX-License-Identifier: Apache-2.0
"""A vm as asked for, made whole: every name looked up, every default filled in, every problem found at once. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from services.api.access import Role
from services.api.intents.links import links
from services.common.catalog import Delivery, OsEntry, unsupported_problems
from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkPlan
from services.common.contracts.vm import UserSpec, VmSpec

JsonDict = dict[str, Any]
_ADMINS_ONLY = ("host", "zone", "policy", "traits")
_SIZES = ("vcpus", "memory_mib", "disk_gib")
DEFAULT_NETWORK = "default"


@dataclass(frozen=True)
class Size:
    """A flavor's figures."""

    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int


@dataclass(frozen=True)
class World:
    """What names mean at this moment, and who asks."""

    systems: Mapping[str, OsEntry]
    sizes: Mapping[str, Size]
    nets: Mapping[str, NetworkPlan]  # by name and by id
    hosts: Mapping[str, str]  # by name and by id -> id; filled only where a host was named
    rank: Role


def resolve(vm_id: str, asked: JsonDict, world: World, for_image: bool = False) -> tuple[VmSpec | None, list[Problem]]:
    """The specification (None where it can't be made) and everything that is wrong with the request.

    `for_image`: only its image is wanted, no vm.
    """
    system = world.systems.get(asked["os"])
    size, problems = _size(asked, world)
    if system is None:
        problems.insert(0, _unknown("/os", "os", asked["os"], world.systems, "GET /v1/os lists them"))
    else:
        problems += [] if for_image else _not_installable(system)
        problems += _too_small(asked, size, system) if size is not None else []
    wanted = asked.get("networks", [{"network": DEFAULT_NETWORK, "addresses": [], "routes": [], "search": []}])
    nics, wrong = links(vm_id, wanted, world.nets)
    problems += [*wrong, *_users(asked), *_placing(asked, world)]
    if system is not None:
        problems += unsupported_problems(system, nics)
    if problems or size is None:
        return None, problems
    return _spec(asked, size, world, nics), []


def _spec(asked: JsonDict, size: Size, world: World, nics: tuple[Any, ...]) -> VmSpec:
    plain = ("name", "os", "domain", "locale", "keyboard", "timezone", "labels", "hypervisor", "zone", "policy")
    return VmSpec(
        **{key: asked[key] for key in plain},
        hostname=asked.get("hostname") or asked["name"],
        vcpus=size.vcpus,
        memory_mib=size.memory_mib,
        disk_gib=size.disk_gib,
        flavor=size.name,
        nics=nics,
        users=tuple(UserSpec(u["name"], tuple(u["ssh_keys"]), u["sudo"]) for u in asked["users"]),
        packages=tuple(asked["packages"]),
        host=world.hosts.get(asked["host"], ""),
        traits=tuple(asked["traits"]),
        guest_agent=asked["guest_agent"],
    )


def _size(asked: JsonDict, world: World) -> tuple[Size | None, list[Problem]]:
    given = [key for key in _SIZES if key in asked]
    if "flavor" not in asked:
        missing = [key for key in _SIZES if key not in asked]
        if not missing:
            return Size("", asked["vcpus"], asked["memory_mib"], asked["disk_gib"]), []
        fix = f"give a flavor ({', '.join(sorted(world.sizes))}), or vcpus, memory_mib and disk_gib"
        pointer = f"/{missing[0]}" if given else "/flavor"
        return None, [Problem(pointer, "the vm has no size", fix)]
    size = world.sizes.get(asked["flavor"])
    if size is None:
        return None, [_unknown("/flavor", "flavor", asked["flavor"], world.sizes, "GET /v1/flavors lists them")]
    if given:
        detail = f"{given[0]} and flavor exclude each other"
        return size, [Problem(f"/{given[0]}", detail, "give the flavor, or all three figures")]
    return size, []


def _not_installable(system: OsEntry) -> Iterator[Problem]:
    if system.delivery == Delivery.INSTALLER:
        detail = f"{system.display_name} is set up by its vendor's installer, which vms can't run yet"
        yield Problem("/os", detail, "choose an os whose delivery is cloud-image or direct-kernel (GET /v1/os)")


def _too_small(asked: JsonDict, size: Size, system: OsEntry) -> Iterator[Problem]:
    least = (
        ("memory_mib", size.memory_mib, system.min_memory_mib, "MiB"),
        ("disk_gib", size.disk_gib, system.min_disk_gib, "GiB"),
    )
    for key, has, needs, unit in least:
        if has < needs:
            pointer = "/flavor" if "flavor" in asked else f"/{key}"
            what = "memory" if key == "memory_mib" else "disk"
            detail = f"{system.name} needs at least {needs} {unit} of {what}; this is {has}"
            yield Problem(pointer, detail, f"choose at least {needs} {unit}")


def _unknown(pointer: str, what: str, name: str, known: Mapping[str, Any], otherwise: str) -> Problem:
    near = get_close_matches(name, list(known), 1, 0.5)
    fix = f"did you mean {near[0]!r}?" if near else otherwise
    return Problem(pointer, f"there is no {what} {name!r}", fix)


def _users(asked: JsonDict) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for n, user in enumerate(asked["users"]):
        if user["name"] in seen:
            detail = f"user {user['name']!r} is given twice (see /users/{seen[user['name']]})"
            yield Problem(f"/users/{n}/name", detail, "put all keys into one entry")
        seen.setdefault(user["name"], n)


def _placing(asked: JsonDict, world: World) -> Iterator[Problem]:
    for key in _ADMINS_ONLY:
        if asked[key] and world.rank < Role.ADMIN:
            yield Problem(f"/{key}", f"only admins choose the {key}", "leave it out")
    if asked["host"] and world.rank >= Role.ADMIN and asked["host"] not in world.hosts:
        near = get_close_matches(asked["host"], list(world.hosts), 1)
        fix = f"did you mean {near[0]!r}?" if near else "GET /v1/hosts lists them"
        yield Problem("/host", f"there is no host {asked['host']!r}", fix)
