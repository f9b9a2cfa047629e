# SPDX-License-Identifier: Apache-2.0
"""Which builder makes which master, as one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import debian, debian_image, mini, netboot
from services.imagebuilder.masters.store import Built, Master, MasterStore

Files = Mapping[str, Path]
BuilderOf = Callable[[Files, Path, Progress], Built]


@dataclass(frozen=True)
class Recipe:
    """How a master is made, and what it is kept under; `of` names another recipe whose files it is made of."""

    key: Callable[[], str]
    build: BuilderOf
    of: str = ""


def _debian_image_key() -> str:
    return debian_image.recipe_key("debian-12-image", debian.recipe_key("debian-12"))


def _netboot(name: str) -> Recipe:
    return Recipe(partial(netboot.recipe_key, name), lambda _files, work, progress: netboot.build(name, work, progress))


RECIPES: Mapping[str, Recipe] = {
    "mini": Recipe(mini.recipe_key, lambda _files, work, progress: mini.build(work, progress)),
    "debian-12": Recipe(
        partial(debian.recipe_key, "debian-12"),
        lambda _files, work, progress: debian.build("debian-12", work, progress),
    ),
    "debian-12-image": Recipe(_debian_image_key, debian_image.build, of="debian-12"),
    **{name: _netboot(name) for name in netboot.NETBOOTS},
}


def ensure_master(store: MasterStore, name: str, progress: Progress) -> Master:
    """The master of that name, made now if it isn't there; ImageFailed when it can't be made."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ImageFailed(f"no recipe {name!r}; known are {', '.join(sorted(RECIPES))}")
    made = store.find(recipe.key())
    if made is not None:
        return made
    files: Files = {}
    if recipe.of:
        base = ensure_master(store, recipe.of, progress)
        files = {role: store.path(file.sha256) for role, file in base.files.items()}
    return store.ensure(recipe.key(), partial(recipe.build, files), progress)
