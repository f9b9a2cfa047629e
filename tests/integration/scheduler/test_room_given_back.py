# SPDX-License-Identifier: Apache-2.0
"""Room given back by vms that go, vms that shrink and volumes: the books balance, and no count falls below nothing."""

import random

import pytest
from sqlalchemy import func, select

from services.common.contracts.ids import new_id
from services.common.contracts.sizes import Sizes
from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.common.store.sizes import lower_claim
from services.common.store.volumes import Volume, hold_room, locked_volume
from services.scheduler.capacity import Capacity
from services.scheduler.claims import Claimant, Outcome, Wanted, hold_together
from services.scheduler.inventory import load_inventory
from tests.support.inn import NOW, Inn
from tests.support.placing import a_request

VMS = [f"vm-{n}" for n in range(4)]


class Books:
    """A host of 8 vcpus on which vms and volumes come, change and go."""

    def __init__(self, database: Database):
        self.database = database
        self.inn = Inn(database)
        self.host = self.inn.add_host("h1", vcpus=8, memory_mib=8192, disk_gib=60)
        self.volume = self._volume()

    def hold(self, vms: list[str]) -> dict[str, Outcome]:
        """Claims of 2 vcpus, 1 GiB and 10 GiB each, together."""
        with self.database.read() as session:
            host = load_inventory(session, NOW, only=[self.host]).hosts[0]
        request, limits = a_request(vcpus=2), Capacity().limits(host)
        with self.database.write() as session:
            return hold_together(session, [Wanted(Claimant(vm, "job", NOW), request, host, limits) for vm in vms])

    def shrink(self, vm: str) -> None:
        with self.database.write() as session:
            lower_claim(session, vm, Sizes(1, 512))

    def leave(self, vm: str) -> None:
        with self.database.write() as session:
            give_back(session, vm)

    def resize_volume(self, gib: int) -> None:
        with self.database.write() as session:
            hold_room(session, locked_volume(session, self.volume), gib)

    def used(self) -> tuple[int, int, int]:
        return self.inn.used()[self.host]

    def held(self) -> tuple[int, int, int]:
        """What claims and volumes say."""
        vcpus, memory, disk = self.inn.claimed().get(self.host, (0, 0, 0))
        with self.database.read() as session:
            return vcpus, memory, disk + (session.scalar(select(func.sum(Volume.held_gib))) or 0)

    def _volume(self) -> str:
        with self.database.write() as session:
            stamps = {"created_at": NOW, "updated_at": NOW}
            volume = Volume(id=new_id(), project_id="p", name="data", state="attaching", host_id=self.host, **stamps)
            volume.size_gib = volume.wanted_gib = 5
            session.add(volume)
            return volume.id


def test_whatever_comes_shrinks_and_goes_a_host_counts_what_is_held_on_it(database: Database) -> None:
    books, chance = Books(database), random.Random(7)
    for _ in range(40):
        vm = chance.choice(VMS)
        act = chance.choice(("hold", "hold two", "shrink", "leave", "volume"))
        if act == "volume":
            books.resize_volume(chance.choice((0, 5, 20)))
        elif act.startswith("hold"):
            books.hold([vm] if act == "hold" else VMS[:2])
        else:
            (books.shrink if act == "shrink" else books.leave)(vm)
        assert books.used() == books.held(), act
    for vm in VMS:
        books.leave(vm)
    books.resize_volume(0)
    assert books.used() == books.held() == (0, 0, 0)


@pytest.mark.parametrize("way", ["leave", "shrink", "volume"])
def test_a_host_that_counts_too_little_keeps_nobody_from_giving_back(database: Database, way: str) -> None:
    books = Books(database)
    books.hold(["vm-0"])
    books.resize_volume(5)
    books.inn.change_host(books.host, used_vcpus=0, used_memory_mib=100, used_disk_gib=3)
    {
        "leave": lambda: books.leave("vm-0"),
        "shrink": lambda: books.shrink("vm-0"),
        "volume": lambda: books.resize_volume(0),
    }[way]()
    assert books.used() == {"leave": (0, 0, 0), "shrink": (0, 0, 3), "volume": (0, 100, 0)}[way]
