# SPDX-License-Identifier: Apache-2.0
"""The room on datastores on real databases: never more than there is, whoever comes at once, and given back exactly."""

import threading

from sqlalchemy import select

from services.common.contracts.datastores import Datastore
from services.common.contracts.ids import new_id
from services.common.contracts.states import HostState
from services.common.store.database import Database
from services.common.store.datastores import datastores_of, note_datastores
from services.common.store.giving_back import give_back
from services.common.store.host_states import move_host
from services.common.store.hosts import Claim, Host
from services.common.store.volumes import Volume, hold_room, locked_volume
from services.scheduler.capacity import Capacity
from services.scheduler.claims import Claimant, Outcome, Wanted, hold_together
from services.scheduler.inventory import load_inventory
from tests.support.inn import NOW, Inn
from tests.support.placing import a_request

FAST, NAS = Datastore("fast", "directory", 10), Datastore("nas", "nfs", 100)


class Books:
    """A host of much room of its own and of little on its datastores."""

    def __init__(self, database: Database):
        self.database, self.inn = database, Inn(database)
        self.host = self.inn.add_host("h1", vcpus=64, memory_mib=65536, disk_gib=1000)
        self.told(FAST, NAS)

    def told(self, *datastores: Datastore) -> None:
        with self.database.write() as session:
            session.get_one(Host, self.host).facts = {"datastores": [one.name for one in datastores]}
            note_datastores(session, self.host, datastores)

    def place(self, *vms: str, **asked: int) -> list[Outcome]:
        """Claims of 1 GiB of the host's disk and of so much on each datastore, together."""
        with self.database.read() as session:
            host = load_inventory(session, NOW, only=[self.host]).hosts[0]
        request, limits = a_request(disk_gib=1, datastores=tuple(sorted(asked.items()))), Capacity().limits(host)
        with self.database.write() as session:
            wanted = [Wanted(Claimant(vm, "job", NOW), request, host, limits) for vm in vms]
            return list(hold_together(session, wanted).values())

    def volume(self, gib: int, datastore: str = "fast") -> str:
        with self.database.write() as session:
            stamps = {"created_at": NOW, "updated_at": NOW, "state": "attaching"}
            row = Volume(id=new_id(), project_id="p", host_id=self.host, datastore=datastore, **stamps)
            row.name, row.size_gib, row.wanted_gib = row.id, gib, gib
            session.add(row)
            return row.id

    def resize(self, volume: str, gib: int) -> bool:
        with self.database.write() as session:
            return hold_room(session, locked_volume(session, volume), gib)

    def used(self) -> dict[str, tuple[int, int]]:
        """Of each datastore, what is used of its size; under "" what is used of the host's own disk."""
        with self.database.read() as session:
            found = {d.name: (d.used_gib, d.size_gib) for d in datastores_of(session)[self.host]}
        return {**found, "": (self.inn.used()[self.host][2], 1000)}


def test_many_at_once_never_hold_more_than_the_datastore_has(database: Database) -> None:
    books = Books(database)
    volumes = [books.volume(2) for _ in range(6)]
    took: list[bool] = []

    def place(n: int) -> None:
        took.extend(outcome == Outcome.HELD for outcome in books.place(f"vm-{n}", fast=2))

    threads = [threading.Thread(target=place, args=(n,)) for n in range(4)]
    threads += [threading.Thread(target=lambda one=one: took.append(books.resize(one, 2))) for one in volumes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(took), took.count(True), books.used()["fast"]) == (10, 5, (10, 10))


def test_a_claim_takes_all_it_asks_or_nothing_and_gives_it_back_once(database: Database) -> None:
    books = Books(database)
    assert books.place("vm-1", "vm-2", fast=4, nas=30) == [Outcome.HELD, Outcome.HELD]
    assert books.used() == {"": (2, 1000), "fast": (8, 10), "nas": (60, 100)}
    assert books.place("vm-3", fast=4, nas=30) == [Outcome.FULL]
    assert books.used() == {"": (2, 1000), "fast": (8, 10), "nas": (60, 100)}
    for _ in range(2):
        with database.write() as session:
            give_back(session, "vm-1")
    assert books.used() == {"": (1, 1000), "fast": (4, 10), "nas": (30, 100)}
    with database.read() as session:
        assert [claim.datastores for claim in session.scalars(select(Claim))] == [{"fast": 4, "nas": 30}]


def test_a_volume_grows_within_its_datastore_and_leaves_the_host_s_own_disk_alone(database: Database) -> None:
    books = Books(database)
    volume = books.volume(4)
    grown = [books.resize(volume, gib) for gib in (4, 10, 11, 10, 3)]
    assert (grown, books.used()["fast"], books.used()[""]) == ([True, True, False, True, True], (3, 10), (0, 1000))
    assert books.resize(volume, 0)
    assert books.used()["fast"] == (0, 10)
    assert not books.resize(books.volume(1, "nowhere"), 1)


def test_a_host_on_whose_datastore_something_lies_is_not_empty(database: Database) -> None:
    books = Books(database)
    volume = books.volume(1)
    for gib, slept in ((1, False), (0, True)):
        assert books.resize(volume, gib)
        with database.write() as session:
            assert move_host(session, books.host, HostState.FALLING_ASLEEP, empty=True) == slept


def test_a_datastore_that_is_told_no_more_takes_nothing_and_is_forgotten_once_it_is_empty(database: Database) -> None:
    books = Books(database)
    volume = books.volume(4)
    assert books.resize(volume, 4)
    books.told(Datastore("nas", "nfs", 50))
    assert books.used() == {"": (0, 1000), "fast": (4, 0), "nas": (0, 50)}
    assert not books.resize(volume, 5)
    with database.read() as session:
        assert load_inventory(session, NOW).hosts[0].datastores == {"nas": 50}
    assert books.resize(volume, 0)
    assert books.used() == {"": (0, 1000), "nas": (0, 50)}
    books.told(FAST)
    assert books.used() == {"": (0, 1000), "fast": (0, 10)}
