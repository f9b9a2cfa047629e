# SPDX-License-Identifier: Apache-2.0
"""A vm as asked for, made whole: every name looked up, every default filled in, every problem found at once. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from services.api.access import Role
from services.api.intents.assigning import NO_POOLS, Pools, assigned
from services.api.intents.links import links
from services.api.intents.pointers import as_asked
from services.common.catalog import OsEntry, refused_problems, unsupported_problems
from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkModel, NetworkPlan
from services.common.contracts.vm import Firmware, Repository, Secrets, UserSpec, VmSpec

JsonDict = dict[str, Any]
_ADMINS_ONLY = ("host", "zone", "policy", "traits")
_SIZES = ("vcpus", "memory_mib", "disk_gib")
DEFAULT_NETWORK = "default"
DEFAULT_LINK: JsonDict = {
    "network": DEFAULT_NETWORK,
    "method6": "none",
    "addresses": [],
    "default_route": True,
    "routes": [],
    "search": [],
}
_PLAIN = (
    "name",
    "os",
    "domain",
    "locale",
    "keyboard",
    "timezone",
    "labels",
    "hypervisor",
    "zone",
    "policy",
    "layout",
    "mirror",
    "proxy",
)


@dataclass(frozen=True)
class Size:
    """A flavor's figures."""

    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int


NO_SIZE = Size("", 0, 0, 0)


@dataclass(frozen=True)
class World:
    """What names mean at this moment, and who asks."""

    systems: Mapping[str, OsEntry]
    sizes: Mapping[str, Size]
    nets: Mapping[str, NetworkPlan]  # by name and by id
    hosts: Mapping[str, str]  # by name and by id -> id; filled only where a host was named
    rank: Role
    pools: Pools = NO_POOLS


def resolve(vm_id: str, asked: JsonDict, world: World, for_image: bool = False) -> tuple[VmSpec | None, list[Problem]]:
    """The specification (None where it can't be made) and everything that is wrong with the request.

    `for_image`: only its image is wanted, no vm.
    """
    system = world.systems.get(asked["os"])
    size, problems = _size(asked, world)
    if system is None:
        problems.insert(0, unknown("/os", "os", asked["os"], world.systems, "GET /v1/os lists them"))
    else:
        problems += [] if for_image else _not_installable(system)
        problems += too_small(asked, size, system) if size is not None else []
    wanted = {"networks": [DEFAULT_LINK], **asked}
    wanted, unassigned = assigned(vm_id, wanted, world.nets, world.pools)
    network, wrong = links(vm_id, wanted, world.nets)
    problems += [*unassigned, *wrong, *_users(asked), *_repositories(asked), *_placing(asked, world)]
    spec = _spec(asked, size or NO_SIZE, world, network)
    if system is not None:
        # Whether there is a password matters to a system, not which.
        secrets = Secrets({u["name"]: "" for u in asked["users"] if "password" in u}, asked["first_boot"])
        lacking = [*unsupported_problems(system, network), *refused_problems(system, spec, secrets)]
        problems += as_asked(lacking, wanted)
    return (None, problems) if problems or size is None else (spec, [])


def _spec(asked: JsonDict, size: Size, world: World, network: NetworkModel) -> VmSpec:
    return VmSpec(
        **{key: asked[key] for key in _PLAIN},
        hostname=asked.get("hostname") or asked["name"],
        vcpus=size.vcpus,
        memory_mib=size.memory_mib,
        disk_gib=size.disk_gib,
        flavor=size.name,
        nics=network.nics,
        bonds=network.bonds,
        vlans=network.vlans,
        firmware=asked.get("firmware") or _firmware(world.systems.get(asked["os"])),
        ntp=tuple(asked["ntp"]),
        ca_certificates=tuple(asked["ca_certificates"]),
        repositories=tuple(Repository(**{**r, "components": tuple(r["components"])}) for r in asked["repositories"]),
        users=tuple(UserSpec(u["name"], tuple(u["ssh_keys"]), u["sudo"]) for u in asked["users"]),
        packages=tuple(asked["packages"]),
        host=world.hosts.get(asked["host"], ""),
        traits=tuple(asked["traits"]),
        guest_agent=asked["guest_agent"],
    )


def _firmware(system: OsEntry | None) -> str:
    """What a vm boots by where nobody said: the system's own choice, bios where it has it."""
    return Firmware.BIOS if system is None or Firmware.BIOS in system.firmware else system.firmware[0]


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
        return None, [unknown("/flavor", "flavor", asked["flavor"], world.sizes, "GET /v1/flavors lists them")]
    if given:
        detail = f"{given[0]} and flavor exclude each other"
        return size, [Problem(f"/{given[0]}", detail, "give the flavor, or all three figures")]
    return size, []


def _not_installable(system: OsEntry) -> Iterator[Problem]:
    if not system.installable:
        detail = f"how the vendor's medium of {system.display_name} is started unattended is not known here yet"
        yield Problem("/os", detail, "choose an os that is installable (GET /v1/os); its answer files can be previewed")


def too_small(asked: JsonDict, size: Size, system: OsEntry) -> Iterator[Problem]:
    """Where the system needs more than this."""
    least = (
        ("memory_mib", size.memory_mib, system.min_memory_mib, "MiB of memory"),
        ("disk_gib", size.disk_gib, system.min_disk_gib, "GiB of disk"),
        ("vcpus", size.vcpus, system.min_vcpus, "CPUs"),
    )
    for key, has, needs, unit in least:
        if has < needs:
            pointer = "/flavor" if "flavor" in asked else f"/{key}"
            detail = f"{system.name} needs at least {needs} {unit}; this is {has}"
            yield Problem(pointer, detail, f"choose at least {needs} {unit.partition(' ')[0]}")


def unknown(pointer: str, what: str, name: str, known: Mapping[str, Any], otherwise: str) -> Problem:
    """That nothing of this kind has the name, with the nearest one that has."""
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


def _repositories(asked: JsonDict) -> Iterator[Problem]:
    names = [repository["name"] for repository in asked["repositories"]]
    for n, name in enumerate(names):
        if name in names[:n]:
            yield Problem(f"/repositories/{n}/name", f"{name!r} is another source's name, too", "choose another name")


def _placing(asked: JsonDict, world: World) -> Iterator[Problem]:
    for key in _ADMINS_ONLY:
        if asked[key] and world.rank < Role.ADMIN:
            yield Problem(f"/{key}", f"only admins choose the {key}", "leave it out")
    if asked["host"] and world.rank >= Role.ADMIN and asked["host"] not in world.hosts:
        near = get_close_matches(asked["host"], list(world.hosts), 1)
        fix = f"did you mean {near[0]!r}?" if near else "GET /v1/hosts lists them"
        yield Problem("/host", f"there is no host {asked['host']!r}", fix)
