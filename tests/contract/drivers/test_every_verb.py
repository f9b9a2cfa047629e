# SPDX-License-Identifier: Apache-2.0
"""Every verb of every driver: twice, killed anywhere and finished by the next agent, out of place, and side by side."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent import drivers
from services.hostagent.drivers.base import Capability, Driver, DriverSettings, Power
from services.hostagent.drivers.fake.driver import FakeDriver
from tests.contract.drivers.conftest import FAST, Bench
from tests.contract.drivers.refusing import ASKED, refused
from tests.contract.drivers.stories import STORIES, Life, Story, a_network
from tests.support.disk_images import a_master, begin_as
from tests.support.dying import Killed, dying_at, points_of
from tests.support.hypervisor import PLATFORM, a_vm

_POINT = re.compile(r'hit\("(agent\.[a-z-]+)"\)')
every_verb = pytest.mark.parametrize("story", STORIES.values(), ids=str)


def able(bench: Bench, story: Story) -> bool:
    return not story.capability or story.capability in bench.driver.capabilities


@pytest.fixture
def lives(bench: Bench) -> Iterator[list[Life]]:
    """Vms whose networks and volumes go with the test."""
    made: list[Life] = []
    yield made
    cleaner = bench.reopen(PLATFORM)
    for life in made:
        cleaner.erase(life.vm)
        cleaner.erase(life.source)
        if able(bench, STORIES["drop_volume"]):
            cleaner.drop_volume(life.volume, life.datastore)


def a_life(bench: Bench, lives: list[Life], story: Story, datastore: str = "") -> Life:
    """A vm as it is before the verb."""
    life = Life(bench.driver, datastore=datastore)
    if story.verb == "ensure_network":
        life.network = a_network()
    lives.append(life)
    for verb in story.before:
        STORIES[verb].act(life)
    story.prepare(life)
    return life


@every_verb
def test_a_verb_done_twice_is_as_done_once(bench: Bench, lives: list[Life], story: Story) -> None:
    if not able(bench, story):
        refused(bench.driver, story.act)
        return
    life = a_life(bench, lives, story)
    for _ in range(2):
        story.act(life)
        assert story.holds(life)


@every_verb
def test_a_verb_killed_anywhere_is_finished_by_the_next_agent_and_can_be_undone(
    bench: Bench, lives: list[Life], story: Story
) -> None:
    if not able(bench, story):
        refused(bench.driver, story.act)
        return
    killed_anywhere(bench, lives, story)


@pytest.mark.parametrize("verb", ["attach_volume", "grow_volume", "detach_volume", "drop_volume"])
def test_the_same_of_a_volume_on_a_datastore(bench: Bench, lives: list[Life], verb: str) -> None:
    killed_anywhere(bench, lives, STORIES[verb], FAST)


def killed_anywhere(bench: Bench, lives: list[Life], story: Story, datastore: str = "") -> None:
    whole = a_life(bench, lives, story, datastore)
    for point in points_of(lambda: story.act(whole)):
        life = a_life(bench, lives, story, datastore)
        with dying_at(point), pytest.raises(Killed):
            story.act(life)
        life.driver = bench.reopen(PLATFORM)
        story.act(life)
        assert story.holds(life), point
        other = a_life(bench, lives, story, datastore)
        with dying_at(point), pytest.raises(Killed):
            story.act(other)
        other.driver = bench.reopen(PLATFORM)
        other.driver.erase(other.vm)
        assert [one for one in other.found() if one.id != other.volume] == [], point


@pytest.mark.parametrize("capability", sorted(set(ASKED) - {Capability.ANTI_SPOOF}))
def test_what_a_driver_leaves_to_the_base_class_is_refused_and_changes_nothing(tmp_path: Path, capability: str) -> None:
    left = {story.verb: getattr(Driver, story.verb) for story in STORIES.values() if story.capability}
    plain = type("Plain", (FakeDriver,), {"name": "plain", "capabilities": frozenset(), **left})
    for act in ASKED[capability]:
        refused(plain(DriverSettings(tmp_path, PLATFORM)), act)


def an_image_comes_and_goes(bench: Bench) -> None:
    vm, masters = a_vm(), bench.directory / "masters"
    begin_as(bench.driver, vm, a_master(masters), masters)
    bench.driver.erase(vm)
    bench.driver.keep_masters(())


def test_the_stories_pass_every_point_at_which_the_driver_may_be_killed(bench: Bench, lives: list[Life]) -> None:
    folder = Path(drivers.__file__).parent / bench.driver.name
    points = {point for path in folder.rglob("*.py") for point in _POINT.findall(path.read_text())}
    passed: set[str] = set()
    for story in STORIES.values():
        if able(bench, story):
            passed |= set(points_of(lambda s=story: s.act(a_life(bench, lives, s))))  # type: ignore[misc]
    passed |= set(points_of(lambda: an_image_comes_and_goes(bench)))
    assert points <= passed


@every_verb
def test_a_verb_of_a_vm_that_never_was_is_refused_or_leaves_nothing(
    bench: Bench, lives: list[Life], story: Story
) -> None:
    life = Life(bench.driver)
    lives.append(life)
    if not able(bench, story) or not story.of_nothing:
        with pytest.raises(HostFailed):
            story.act(life)
    elif story.verb not in ("ensure_network", "deploy"):
        story.act(life)
    assert life.has_power(Power.ABSENT)


@pytest.mark.parametrize("verb", ["start", "force_stop", "erase", "reset", "suspend", "attach_volume", "deploy"])
def test_no_verb_touches_a_vm_of_another_platform(bench: Bench, lives: list[Life], verb: str) -> None:
    life = a_life(bench, lives, STORIES["force_stop"])
    before, power = life.found(), life.driver.power(life.vm)
    stranger = Life(bench.reopen("another-platform"), life.vm, life.volume, life.network)
    with suppress(HostFailed):
        STORIES[verb].act(stranger)
    assert (life.found(), life.driver.power(life.vm)) == (before, power)


def obeyed(story: Story, life: Life) -> None:
    """Act as the platform does: again where the driver says so.

    The simulated vCenter hangs up on who looks for a name while a vm that has none yet comes into the folder.
    """
    for _ in range(3):
        with suppress(TryAgain):
            return story.act(life)
    return story.act(life)


def test_vms_live_side_by_side(bench: Bench, lives: list[Life]) -> None:
    def live(_n: int) -> Life:
        life = Life(bench.driver)
        lives.append(life)
        for verb in ("ensure_network", "deploy", "start", "force_stop", "start", "erase"):
            obeyed(STORIES[verb], life)
        return life

    with ThreadPoolExecutor(4) as pool:
        assert [life.found() for life in pool.map(live, range(6))] == [[]] * 6
