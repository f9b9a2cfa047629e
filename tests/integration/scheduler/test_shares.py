# SPDX-License-Identifier: Apache-2.0
"""Several busy schedulers prefer different hosts; one alone, or one with little to do, takes the best."""

from dataclasses import dataclass, field

from services.common.contracts.placement import HostView, Request
from services.common.store.database import Database
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.policy_file import Shelf
from services.scheduler.shares import BUSY_S, FEW, RENEW_S, Own, Shares

MANY = FEW + 1


@dataclass
class Clock:
    """A moment that tests move."""

    now: float = field(default=1e9)

    def __call__(self) -> float:
        return self.now


def test_one_alone_and_one_with_few_jobs_have_no_share(database: Database) -> None:
    clock = Clock()
    first, second = Shares(database, "a", clock), Shares(database, "b", clock)
    assert first.for_batch(MANY) is None
    assert second.for_batch(FEW) is None
    assert second.for_batch(MANY) is not None


def test_every_host_is_in_the_share_of_one_and_no_scheduler_goes_short(database: Database) -> None:
    clock = Clock()
    all_ = [Shares(database, f"s{n}", clock) for n in range(4)]
    for each in all_:
        each.for_batch(MANY)
    clock.now += RENEW_S
    shares = [each.for_batch(MANY) for each in all_]
    owners = [[n for n, own in enumerate(shares) if own and own.has(f"host-{h}")] for h in range(400)]
    assert all(len(found) == 1 for found in owners)
    assert all(60 < owners.count([n]) < 140 for n in range(4))


def test_who_was_not_busy_for_a_while_has_no_share_any_more(database: Database) -> None:
    clock = Clock()
    gone, stays = Shares(database, "gone", clock), Shares(database, "stays", clock)
    gone.for_batch(MANY)
    assert stays.for_batch(MANY) is not None
    clock.now += BUSY_S + 1
    assert stays.for_batch(MANY) is None


def test_nobody_keeps_out_of_the_way_of_one_that_has_left(database: Database) -> None:
    clock = Clock()
    gone, stays = Shares(database, "gone", clock), Shares(database, "stays", clock)
    gone.leave()
    gone.for_batch(MANY)
    gone.leave()
    assert stays.for_batch(MANY) is None


def test_it_is_told_when_others_are_busy_than_before(database: Database) -> None:
    clock, told = Clock(), []
    first = Shares(database, "a", clock, lambda: told.append("changed"))
    first.for_batch(MANY)
    clock.now += RENEW_S
    first.for_batch(MANY)
    assert told == ["changed"]
    Shares(database, "b", clock).for_batch(MANY)
    first.crowded()
    assert first.for_batch(MANY) is not None
    assert told == ["changed"] * 2


def test_a_share_is_preferred_among_hosts_that_are_near_and_never_insisted_on() -> None:
    hosts = [HostView(f"h{n:02d}", f"n{n}", "fake", "up", "", (), 8, 8192, 100, heartbeat_age_s=1.0) for n in range(40)]
    engine = Engine(Shelf().active, HostTable(hosts))
    request = Request("vm", 2, 1024, 10)
    both = frozenset({"a", "b"})
    chosen = {name: engine.decide(request, (), Own(name, both)).host for name in both}
    assert all(Own(name, both).has(host) for name, host in chosen.items())
    assert len(set(chosen.values())) == 2
    others = [host.id for host in hosts if Own("a", both).has(host.id)]
    assert engine.decide(request, others, Own("a", both)).host not in ("", *others)
