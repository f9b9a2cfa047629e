# SPDX-License-Identifier: Apache-2.0
"""The image builder's own answers and its server, in this process, beside an api under test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.common.contracts.journal import Progress
from services.common.runtime.ask import Answerer
from services.imagebuilder import ordering, preview
from services.imagebuilder.installation import Installations
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.masters.ensure import RECIPES
from services.imagebuilder.masters.store import Built
from services.imagebuilder.places import Places
from services.imagebuilder.server import ArtifactServer
from services.imagebuilder.sources import Sources
from tests.support.bootable import make_medium
from tests.support.front_door import Api, open_api
from tests.support.stack import free_port


def keep_a_medium(store: MasterStore, scratch: Path, recipe: str = "debian-12-image") -> None:
    """A small installation medium in the place of what a recipe would take minutes for."""

    def tiny(work: Path, _progress: Progress) -> Built:
        make_medium(work / "medium.iso", 1 << 20, scratch)
        return Built({"iso": (work / "medium.iso", "iso")})

    scratch.mkdir(parents=True, exist_ok=True)
    store.ensure(RECIPES[recipe].key(), tiny, lambda _percent, _text: None)


@contextmanager
def api_with_a_builder(directory: Path, database_url: str, redis_url: str) -> Iterator[Api]:
    """An api whose settings name a free place for the image builder's server (`building` starts it)."""
    address = f"127.0.0.1:{free_port()}"
    env = {"INNKEEPER_IMAGES_BIND": address, "INNKEEPER_IMAGES_URL": f"http://{address}"}
    found = open_api(directory, database_url, redis_url, env)
    try:
        yield found
    finally:
        found.database.close()


@contextmanager
def building(api: Api) -> Iterator[Places]:
    """Answers questions and serves files on the api's settings until the block ends; where the files are."""
    settings = api.settings
    places = Places(settings.state_dir, settings.images_url)
    store = MasterStore(settings.state_dir)
    keep_a_medium(store, settings.state_dir / "scratch")
    installations = Installations(store, places, Sources(store, places, api.database))
    orders = ordering.Orders(api.database, api.keys, places, installations)
    server = ArtifactServer(settings.images_bind, places, api.keys.command_public_pem).start()
    answerers = [
        Answerer(settings.redis_url, preview.TOPIC, preview.preview).start(),
        Answerer(settings.redis_url, ordering.TOPIC, orders.answer).start(),
    ]
    try:
        yield places
    finally:
        for answerer in answerers:
            answerer.stop()
        orders.stop()
        server.close()
