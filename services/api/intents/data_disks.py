# SPDX-License-Identifier: Apache-2.0
"""The volumes that a vm is to be made with, checked whole: new ones, and such as were kept and lie on a host."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.abilities import need_anywhere
from services.api.intents.datastores import need_datastore
from services.api.intents.volumes import contradictions, detached_volume, name_problem, plugged, volume_row
from services.common.contracts.abilities import Ability
from services.common.contracts.data_disks import DataDisks
from services.common.contracts.datastores import room_of
from services.common.contracts.errors import Conflict, Invalid, Problem
from services.common.contracts.vm import VmSpec
from services.common.store.models import Host, Volume

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """Rows that are to be written with the vm, and those that are there already and are its own from now on."""

    new: tuple[Volume, ...] = ()
    kept: tuple[Volume, ...] = ()

    @property
    def disks(self) -> DataDisks:
        """What the vm's job is told."""
        return DataDisks(
            tuple(volume.id for volume in self.new),
            sum(volume.wanted_gib for volume in self.new if not volume.datastore),
            tuple(volume.id for volume in self.kept),
            next((volume.host_id or "" for volume in self.kept), ""),
            room_of((volume.datastore, volume.wanted_gib) for volume in self.new if volume.datastore),
        )


NOTHING_GIVEN = Given()


def disk_problems(asked: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """What contradicts itself. Pure."""
    seen: dict[tuple[str, str], int] = {}
    for n, one in enumerate(asked):
        at = f"/volumes/{n}"
        yield from contradictions(one, at)
        if "volume" in one and one.get("keep") is False:
            detail = "a volume that was kept outlives the vm: what is on it isn't the vm's"
            yield Problem(f"{at}/keep", detail, "leave it out; it can be taken off and removed")
        for key in ("name", "volume"):
            if key in one and seen.setdefault((key, one[key]), n) != n:
                detail = f"{one[key]!r} is given twice (see /volumes/{seen[key, one[key]]})"
                yield Problem(f"{at}/{key}", detail, "give each volume once, by a name of its own")


def given_disks(call: Call, db: Session, vm_id: str, spec: VmSpec) -> Given:
    """The volumes of the body; Invalid, Unsupported or Conflict that names the field. Nothing is written yet."""
    asked = call.body["volumes"]
    if not asked:
        return NOTHING_GIVEN
    need_anywhere(db, Ability.VOLUME_ATTACH, "volumes", spec.hypervisor)
    new = [(n, volume_row(call, one, vm_id, spec.name)) for n, one in enumerate(asked) if "size_gib" in one]
    taken = [problem for n, row in new for problem in name_problem(db, row, f"/volumes/{n}/name")]
    if taken:
        raise Conflict(taken[0].detail, taken)
    kept = [
        (n, detached_volume(db, call.project.id, one["volume"], f"/volumes/{n}/volume"))
        for n, one in enumerate(asked)
        if "volume" in one
    ]
    _in_one_place(db, kept, spec)
    host = next((volume.host_id or "" for _, volume in kept), spec.host)
    for n, row in new:
        if row.datastore:
            need_datastore(db, row.datastore, f"/volumes/{n}/datastore", host=host, driver=spec.hypervisor)
    for _, volume in kept:
        plugged(volume, vm_id, True, call.now)
    return Given(tuple(row for _, row in new), tuple(volume for _, volume in kept))


def _in_one_place(db: Session, kept: Sequence[tuple[int, Volume]], spec: VmSpec) -> None:
    """Raise Conflict where no one host has them all, or the vm may not go there."""
    if not kept:
        return
    first = kept[0][1]
    seen: set[str] = set()
    for n, volume in kept:
        at = f"/volumes/{n}/volume"
        if volume.id in seen:  # once by its name, once by its id
            detail = f"volume {volume.name!r} is given twice"
            raise Invalid(detail, [Problem(at, detail, "give each volume once")])
        seen.add(volume.id)
        if volume.host_id != first.host_id:
            detail = f"volume {volume.name!r} lies on another host than volume {first.name!r}; a vm is on one host"
            raise Conflict(detail, [Problem(at, detail, "leave one of them out")])
    driver = db.scalar(select(Host.driver).where(Host.id == first.host_id))
    at = f"/volumes/{kept[0][0]}/volume"
    if spec.host and spec.host != first.host_id:
        detail = f"volume {first.name!r} lies on another host than the one that is asked for"
        raise Conflict(detail, [Problem(at, detail, "leave host out: the vm goes to where its volume is")])
    if spec.hypervisor and spec.hypervisor != driver:
        detail = f"volume {first.name!r} lies on a host of driver {driver!r}, not {spec.hypervisor!r}"
        raise Conflict(detail, [Problem(at, detail, "leave hypervisor out: the vm goes to where its volume is")])
    need_anywhere(db, Ability.VOLUME_ATTACH, f"volume {first.name!r}", host=first.host_id or "")
