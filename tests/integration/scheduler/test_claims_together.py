# SPDX-License-Identifier: Apache-2.0
"""Many claims in one transaction: what fits is held, what doesn't leaves nothing, and the database checks the sums."""

from collections.abc import Mapping

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.common.store.hosts import Claim, ClaimGroup, Host
from services.scheduler.capacity import Capacity
from services.scheduler.claims import Claimant, Outcome, Wanted, hold_together
from services.scheduler.inventory import load_inventory
from tests.support.inn import NOW, Inn
from tests.support.placing import a_request

CAPACITY = Capacity()
CROWD = (("project:app=web", "id-h1"),)


def wishes(database: Database, vms: Mapping[str, str], capacity: Capacity = CAPACITY, **asked: int) -> list[Wanted]:
    """A claim for each vm on the host named, as the hosts are read now."""
    with database.read() as session:
        inventory = load_inventory(session, NOW)
    found = []
    for vm, name in vms.items():
        host = inventory.host(name)
        assert host is not None
        request = a_request(id=vm, labels={"app": "web"}, **asked)
        found.append(Wanted(Claimant(vm, "job", NOW), request, host, capacity.limits(host)))
    return found


def made(database: Database, wanted: list[Wanted]) -> dict[str, str]:
    """What became of them, committed."""
    with database.write() as session:
        return {vm: str(outcome) for vm, outcome in hold_together(session, wanted).items()}


def test_claims_on_several_hosts_are_counted_and_labelled(database: Database) -> None:
    inn = Inn(database)
    inn.add_host("h1"), inn.add_host("h2")
    assert set(made(database, wishes(database, {"a": "h1", "b": "h2", "c": "h1"})).values()) == {"held"}
    assert inn.used() == inn.claimed() == {"id-h1": (2, 2048, 20), "id-h2": (1, 1024, 10)}
    with database.read() as session:
        assert {claim.labels["app"] for claim in session.scalars(select(Claim))} == {"web"}
        hosts = {h.id: (h.generation, h.limit_vcpus, h.limit_memory_mib) for h in session.scalars(select(Host))}
    assert hosts == {"id-h1": (2, 4, 8192), "id-h2": (1, 4, 8192)}


def test_of_too_many_claims_on_one_host_as_many_as_fit_are_held(database: Database) -> None:
    inn = Inn(database)
    inn.add_host("h1"), inn.add_host("h2")
    vms = {f"vm-{n}": "h1" for n in range(7)} | {"other": "h2"}
    outcomes = made(database, wishes(database, vms))
    assert sorted(outcomes.values()) == ["full"] * 3 + ["held"] * 5
    assert outcomes["other"] == "held"
    assert inn.used() == inn.claimed() == {"id-h1": (4, 4096, 40), "id-h2": (1, 1024, 10)}


def test_claims_by_policies_with_different_limits_meet_on_one_host(database: Database) -> None:
    inn = Inn(database)
    inn.add_host("h1")
    generous = wishes(database, {f"g-{n}": "h1" for n in range(6)}, Capacity(cpu=2.0))
    strict = wishes(database, {"s": "h1"})
    outcomes = made(database, [*generous, *strict])
    assert (outcomes["s"], outcomes["g-0"]) == ("full", "held")
    assert inn.used() == inn.claimed() == {"id-h1": (6, 6144, 60)}


def test_a_vm_that_holds_a_claim_gets_no_second_one_and_the_others_theirs(database: Database) -> None:
    inn = Inn(database)
    inn.add_host("h1"), inn.add_host("h2")
    made(database, wishes(database, {"a": "h1"}))
    assert made(database, wishes(database, {"a": "h2", "b": "h2"})) == {"a": "taken", "b": "held"}
    assert inn.used() == inn.claimed() == {"id-h1": (1, 1024, 10), "id-h2": (1, 1024, 10)}


def test_one_vm_of_a_group_has_the_place_to_itself_until_it_goes(database: Database) -> None:
    inn = Inn(database)
    inn.add_host("h1")
    first, second = (
        Wanted(want.claimant, want.request, want.host, want.limits, CROWD)
        for want in wishes(database, {"a": "h1", "b": "h1"})
    )
    assert made(database, [first, second]) == {"a": "held", "b": "crowded"}
    assert made(database, [second]) == {"b": "crowded"}
    assert inn.used() == inn.claimed() == {"id-h1": (1, 1024, 10)}
    with database.write() as session:
        assert give_back(session, "a")
    with database.read() as session:
        assert session.scalars(select(ClaimGroup)).all() == []
    assert made(database, [second]) == {"b": "held"}
    assert inn.used() == inn.claimed() == {"id-h1": (1, 1024, 10)}


@pytest.mark.parametrize("resource", ["vcpus", "memory_mib", "disk_gib"])
def test_the_database_itself_refuses_more_than_the_limit_and_less_than_nothing(
    database: Database, resource: str
) -> None:
    Inn(database).add_host("h1")
    made(database, wishes(database, {"a": "h1"}))
    for wrong in (10_000_000, -1):
        with pytest.raises(IntegrityError), database.write() as session:
            session.execute(update(Host).values({f"used_{resource}": wrong}))


def test_a_host_that_changed_takes_none_and_keeps_nobody_from_others(database: Database) -> None:
    inn = Inn(database)
    inn.add_host("h1"), inn.add_host("h2")
    wanted = wishes(database, {"a": "h1", "b": "h1", "c": "h2"})
    inn.change_host("id-h1", state="draining")
    assert made(database, wanted) == {"a": Outcome.FULL, "b": Outcome.FULL, "c": Outcome.HELD}
    assert inn.used() == {"id-h1": (0, 0, 0), "id-h2": (1, 1024, 10)}
