# SPDX-License-Identifier: Apache-2.0
"""Claims on real databases: never too much, never twice, given back exactly."""

import threading

import pytest
from sqlalchemy import update

from services.common.contracts.errors import Conflict
from services.common.contracts.placement import Request
from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.common.store.hosts import Host
from services.common.store.vms import Vm
from services.conductor.reconciler import repair_claims
from services.scheduler.capacity import Capacity
from services.scheduler.claims import Claimant, claims_by_host, held, hold
from services.scheduler.inventory import load_inventory
from tests.support.inn import NOW, Inn
from tests.support.placing import a_request

CAPACITY = Capacity()


def claim(database: Database, vm: str, request: Request, host_id: str) -> bool:
    """One claim in one transaction, on the host as it is read in another."""
    with database.read() as session:
        host = load_inventory(session, NOW, only=[host_id]).hosts[0]
    with database.write() as session:
        return hold(session, Claimant(vm, "job", NOW), request, host, CAPACITY.limits(host))


def test_a_claim_is_counted_on_its_host_and_raises_its_generation(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1")
    assert claim(database, "vm-1", a_request(vcpus=2), host)
    assert inn.used() == inn.claimed() == {host: (2, 1024, 10)}
    with database.read() as session:
        inventory = load_inventory(session, NOW)
        assert (inventory.generation, inventory.hosts[0].vms) == (1, 1)
        assert claims_by_host(session) == {"h1": 1}


def test_a_claim_that_does_not_fit_changes_nothing(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1", vcpus=2)
    assert claim(database, "vm-1", a_request(vcpus=2), host)
    assert not claim(database, "vm-2", a_request(vcpus=1), host)
    assert inn.claimed() == inn.used() == {host: (2, 1024, 10)}


@pytest.mark.parametrize("change", [{"state": "draining"}, {"memory_mib": 4096}])
def test_a_host_that_changed_since_it_was_read_is_not_claimed(database: Database, change: dict[str, object]) -> None:
    inn = Inn(database)
    host_id = inn.add_host("h1")
    with database.read() as session:
        host = load_inventory(session, NOW).hosts[0]
    inn.change_host(host_id, **change)
    with database.write() as session:
        assert not hold(session, Claimant("vm-1", "job", NOW), a_request(), host, CAPACITY.limits(host))


def test_a_second_claim_of_one_vm_is_a_conflict_and_counts_nothing(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1")
    claim(database, "vm-1", a_request(), host)
    with pytest.raises(Conflict, match="vm-1 has a claim"):
        claim(database, "vm-1", a_request(), host)
    assert inn.used() == inn.claimed() == {host: (1, 1024, 10)}


def test_release_gives_back_exactly_what_was_held_once(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1")
    claim(database, "vm-1", a_request(vcpus=1), host)
    claim(database, "vm-2", a_request(vcpus=3, memory_mib=2048), host)
    for expected in (True, False):
        with database.write() as session:
            assert give_back(session, "vm-1") is expected
    assert inn.used() == inn.claimed() == {host: (3, 2048, 10)}


def test_release_stops_at_nothing_when_the_count_was_broken(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1")
    claim(database, "vm-1", a_request(vcpus=2), host)
    with database.write() as session:
        session.execute(update(Host).values(used_vcpus=1))
    with database.write() as session:
        give_back(session, "vm-1")
    assert inn.used() == {host: (0, 0, 0)}


def test_the_conductor_gives_back_what_failed_vms_still_hold_unless_a_job_works_on_them(database: Database) -> None:
    inn = Inn(database)
    host = inn.add_host("h1")
    (idle, _), (busy, _) = inn.add_vm("idle"), inn.add_vm("busy")
    for vm in (idle, busy):
        claim(database, vm, a_request(), host)
    with database.write() as session:
        session.execute(update(Vm).values(state="failed"))
        session.execute(update(Vm).where(Vm.id == idle).values(job_id=None))
        session.execute(update(Host).values(used_vcpus=0))
    assert repair_claims(database) == 1
    assert inn.claimed() == {host: (1, 1024, 10)}
    assert inn.used() == {host: (0, 1024, 10)}
    assert repair_claims(database) == 0


def test_a_transaction_that_is_not_committed_leaves_no_claim(database: Database) -> None:
    inn = Inn(database)
    host_id = inn.add_host("h1")
    with database.read() as session:
        host = load_inventory(session, NOW).hosts[0]

    def broken_off() -> None:
        with database.write() as session:
            hold(session, Claimant("vm-1", "job", NOW), a_request(), host, CAPACITY.limits(host))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert inn.used() == {host_id: (0, 0, 0)}
    with database.read() as session:
        assert held(session, "vm-1") is None


def test_sixteen_threads_on_three_hosts_never_overcommit(database: Database) -> None:
    inn = Inn(database)
    hosts = [inn.add_host(f"h{n}") for n in range(3)]  # room for 12 vcpus
    gate, won = threading.Barrier(16), []

    def compete(thread: int) -> None:
        gate.wait()
        for n in range(3):
            vm = f"vm-{thread}-{n}"
            for host in hosts:
                if claim(database, vm, a_request(), host):
                    won.append(vm)
                    break
            if n == 1 and vm in won:
                with database.write() as session:
                    give_back(session, vm)
                won.remove(vm)

    threads = [threading.Thread(target=compete, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inn.used() == inn.claimed() == {host: (4, 4096, 40) for host in hosts}
    assert len(won) == 12
