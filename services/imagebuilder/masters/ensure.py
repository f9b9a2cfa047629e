# SPDX-License-Identifier: Apache-2.0
"""Which builder makes which master, as one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import debian, mini
from services.imagebuilder.masters.store import Builder, Master, MasterStore


@dataclass(frozen=True)
class Recipe:
    """How a master is made, and what it is kept under."""

    key: Callable[[], str]
    build: Builder


RECIPES: Mapping[str, Recipe] = {
    "mini": Recipe(mini.recipe_key, mini.build),
    "debian-12": Recipe(partial(debian.recipe_key, "debian-12"), partial(debian.build, "debian-12")),
}


def ensure_master(store: MasterStore, name: str, progress: Progress) -> Master:
    """The master of that name, made now if it isn't there; ImageFailed when it can't be made."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ImageFailed(f"no recipe {name!r}; known are {', '.join(sorted(RECIPES))}")
    return store.ensure(recipe.key(), recipe.build, progress)
