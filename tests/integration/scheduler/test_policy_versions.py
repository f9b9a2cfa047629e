# SPDX-License-Identifier: Apache-2.0
"""The policy in force is the database's: schedulers follow its pointer while they run, and never a broken one."""

import threading
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, update

from services.common.contracts.errors import Conflict, Invalid
from services.common.store.database import Database
from services.common.store.policies import Activation, Draft, StoredPolicy, activate, current, publish, roll_back
from services.common.store.projects import Project
from services.scheduler.policy_file import SHIPPED, read_policy
from services.scheduler.policy_shelf import PolicyShelf
from services.scheduler.policy_start import draft_of
from tests.support.placing import PLAIN, a_request
from tests.support.waiting import until

GOOD = PLAIN.replace("WEIGHER", "cpu").lstrip()


@pytest.fixture
def shelf(database: Database) -> Iterator[PolicyShelf]:
    found = PolicyShelf(database).start()
    yield found
    found.stop()


def written(name: str, version: int = 1, text: str = GOOD) -> str:
    return text.replace("{name: plain, version: 1}", f"{{name: {name}, version: {version}}}")


def stored(database: Database, text: str) -> StoredPolicy:
    with database.write() as session:
        return publish(session, draft_of(read_policy(text), text), "ada", 1.0)[0]


def broken(database: Database) -> StoredPolicy:
    """A version that a scheduler of another time could read, and this one can't."""
    text = written("broken", 1, GOOD.replace("type: cpu", "type: astrology"))
    with database.write() as session:
        return publish(session, Draft("broken", 1, sha256(text.encode()).hexdigest(), text), "ada", 1.0)[0]


def in_force(database: Database, policy: StoredPolicy, percent: float = 100.0) -> None:
    with database.write() as session:
        activate(session, policy, percent, "ada", 2.0)


def test_shipped_policies_are_stored_and_balanced_decides_until_somebody_chooses(
    database: Database, shelf: PolicyShelf
) -> None:
    with database.read() as session:
        names = set(session.scalars(select(StoredPolicy.name).where(StoredPolicy.shipped)))
        at = current(session)
    assert names == {path.stem for path in SHIPPED.glob("*.yaml")}
    assert at is not None
    assert (at.kind, shelf.get().name) == ("start", "balanced")


def test_a_running_scheduler_follows_the_pointer_forth_and_back(database: Database, shelf: PolicyShelf) -> None:
    in_force(database, stored(database, written("mine")))
    until(lambda: shelf.get().name == "mine", 10, "the new policy to decide")
    with database.write() as session:
        roll_back(session, "ada", 3.0)
    until(lambda: shelf.get().name == "balanced", 10, "the old policy to decide again")


def test_a_name_is_the_active_version_or_the_newest_and_a_number_exactly_that(
    database: Database, shelf: PolicyShelf
) -> None:
    first, _ = stored(database, written("mine", 1)), stored(database, written("mine", 2))
    assert (shelf.get("mine").version, shelf.get("mine@1").version) == (2, 1)
    in_force(database, first)
    shelf.refresh()
    assert (shelf.get("mine").version, shelf.get("mine@2").version) == (1, 2)
    with pytest.raises(Invalid, match="no policy 'yours'"):
        shelf.get("yours")


def test_a_policy_that_cannot_be_used_is_told_loudly_and_the_running_one_goes_on(
    database: Database, shelf: PolicyShelf
) -> None:
    in_force(database, broken(database))
    shelf.refresh()
    assert shelf.get().name == "balanced"
    assert REGISTRY.get_sample_value("innkeeper_policy_problem") == 1
    with database.read() as session:
        at = current(session)
        assert at is not None
        assert "'astrology' is unknown" in at.problem
        assert "line 12, column 12" in at.problem
    with database.write() as session:
        roll_back(session, "ada", 3.0)
    shelf.refresh()
    assert REGISTRY.get_sample_value("innkeeper_policy_problem") == 0


def test_a_text_that_was_changed_behind_our_back_is_not_used(database: Database, shelf: PolicyShelf) -> None:
    row = stored(database, written("mine"))
    with database.write() as session:
        session.execute(
            update(StoredPolicy).where(StoredPolicy.id == row.id).values(text=written("mine") + "explain: {top: 3}\n")
        )
    in_force(database, row)
    shelf.refresh()
    assert shelf.get().name == "balanced"


def test_a_canary_decides_for_its_share_and_for_the_same_vms_on_every_scheduler(
    database: Database, shelf: PolicyShelf
) -> None:
    in_force(database, stored(database, written("mine")), 20)
    other = PolicyShelf(database)
    other.refresh()
    shelf.refresh()
    requests = [a_request(id=f"vm-{n}") for n in range(2000)]
    few = {r.id for r in requests if shelf.chosen(r).name == "mine"}
    assert 300 < len(few) < 500
    assert few == {r.id for r in requests if other.chosen(r).name == "mine"}
    assert shelf.chosen(requests[0], "energy-first").name == "energy-first"
    with database.read() as session:
        canary = session.scalars(select(StoredPolicy).where(StoredPolicy.name == "mine")).one()
    in_force(database, canary, 40)
    shelf.refresh()
    assert few < {r.id for r in requests if shelf.chosen(r).name == "mine"}


def test_a_swap_under_load_never_gives_anything_but_one_policy_or_the_other(
    database: Database, shelf: PolicyShelf
) -> None:
    mine, bad = stored(database, written("mine")), broken(database)
    seen: Counter[str] = Counter()
    ended = threading.Event()

    def decide() -> None:
        n = 0
        while not ended.is_set():
            n += 1
            seen[shelf.chosen(a_request(id=f"vm-{n}")).name] += 1

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for policy in (mine, bad):
        in_force(database, policy)
        shelf.refresh()
        with database.write() as session:
            roll_back(session, "ada", 3.0)
        shelf.refresh()
    ended.set()
    for thread in threads:
        thread.join()
    assert set(seen) == {"balanced", "mine"}


def test_a_file_is_put_in_force_once_and_not_over_what_people_chose_later(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(written("mine"))
    first = PolicyShelf(database, file)
    first.refresh()
    assert first.get().name == "mine"
    with database.read() as session:
        spread = session.scalars(select(StoredPolicy).where(StoredPolicy.name == "spread-ha")).one()
    in_force(database, spread)
    again = PolicyShelf(database, file)
    again.refresh()
    assert again.get().name == "spread-ha"
    file.write_text(written("mine", 2))
    changed = PolicyShelf(database, file)
    changed.refresh()
    assert (changed.get().name, changed.get().version) == ("mine", 2)


def test_a_file_that_changes_without_a_new_version_is_refused_at_start(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(written("mine"))
    PolicyShelf(database, file).refresh()
    file.write_text(written("mine") + "explain: {top: 3}\n")
    with pytest.raises(Conflict, match="versions never change"):
        PolicyShelf(database, file).start()


def test_several_schedulers_may_start_at_the_same_moment(database: Database) -> None:
    shelves = [PolicyShelf(database) for _ in range(4)]
    threads = [threading.Thread(target=one.refresh) for one in shelves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.standing.seq for one in shelves} == {1}
    with database.read() as session:
        assert session.scalars(select(Activation.seq)).all() == [1]


def test_a_match_names_projects_as_people_do(database: Database, shelf: PolicyShelf) -> None:
    in_force(database, stored(database, written("mine") + "match: {projects: [default]}\n"))
    shelf.refresh()
    with database.read() as session:
        project = session.scalars(select(Project.id).where(Project.name == "default")).one()
    assert shelf.chosen(a_request(project=project)).name == "mine"
    assert shelf.chosen(a_request(project="another")).name == "balanced"
    with database.write() as session:
        session.execute(update(Project).values(name="other"))
    shelf.refresh()
    assert shelf.chosen(a_request(project=project)).name == "balanced"
