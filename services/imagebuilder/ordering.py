# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: the answer to the question `image`, which is an id and nothing else.

What to build, with its sealed secrets, is a row of the database, and what came of it is written there, too. Building
the same order twice gives the same bytes, so any number of processes may be asked, any number of times.
"""

import hashlib
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as awaited
from functools import partial
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from services.common.catalog import OsEntry, systems
from services.common.contracts.codec import load
from services.common.contracts.errors import Conflict, ImageFailed, Invalid, NotFound, Problem, TryAgain
from services.common.contracts.vm import Secrets, VmSpec
from services.common.runtime.keys import Keys
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.images import Image
from services.imagebuilder.drafts import write_whole
from services.imagebuilder.installation import Installations, Wanted
from services.imagebuilder.iso import iso_image
from services.imagebuilder.metrics import ORDERS
from services.imagebuilder.places import INSTALL, SEED, Places
from services.imagebuilder.seed import seed_files

log = get_logger(__name__)
JsonDict = dict[str, Any]
TOPIC = "image"
# A disc of answers takes milliseconds and is made at once; so is an installer's image, once there is a master. Whoever
# waits for a master asks again, and the others' orders go by.
PATIENCE_S = 0.5
_AT_ONCE = 4
_MOST_KEPT = 256
# The server's name for the whole image that an overlay stands for.
WHOLE = INSTALL.replace(".qcow2", ".iso")


class Orders:
    """Builds what is ordered, a few orders at a time."""

    def __init__(self, database: Database, keys: Keys, places: Places, installations: Installations):
        self._database = database
        self._keys = keys
        self._places = places
        self._installations = installations
        self._workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="orders")
        self._under_way: dict[str, Future[JsonDict]] = {}
        self._told: dict[str, str] = {}
        self._lock = threading.Lock()

    def answer(self, payload: JsonDict) -> JsonDict:
        """`{id}` -> `{file, size, sha256}`, or `{making: text}` where it takes longer: ask again.

        Raises NotFound where nothing of that id is ordered, Invalid with the fields that the system can't have,
        Conflict where its medium or master can't be had, and TryAgain where disk or database are in the way.
        """
        try:
            return self._answer(str(payload["id"]))
        except (OSError, OperationalError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            log.warning("an ordered image can't be written", image=payload["id"], reason=str(error))
            raise TryAgain(f"the image builder can't write the image: {reason}; try again later") from error

    def _answer(self, image_id: str) -> JsonDict:
        order, entry = self._wanted(image_id)
        if entry.answers_on_disc:
            return self._build(order, entry)
        work = self._work(order, entry)
        if not awaited([work], PATIENCE_S).done:
            return {"making": self._told.get(image_id, "")}
        with self._lock:
            self._under_way.pop(image_id, None)
            self._told.pop(image_id, None)
        return work.result()

    def stop(self) -> None:
        """Take no more; what is under way goes on to its end."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _work(self, order: Image, entry: OsEntry) -> Future[JsonDict]:
        with self._lock:
            if len(self._under_way) > _MOST_KEPT:
                # Nobody asked for these again; who does has them built once more, to the same bytes.
                self._under_way = {key: work for key, work in self._under_way.items() if not work.done()}
            if order.id not in self._under_way:
                self._under_way[order.id] = self._workers.submit(self._build, order, entry)
            return self._under_way[order.id]

    def _wanted(self, image_id: str) -> tuple[Image, OsEntry]:
        with self._database.read() as session:
            order = session.get(Image, image_id)
        if order is None:
            raise NotFound(f"no image {image_id} is ordered")
        entry = systems().get(order.os)
        if entry is None:
            raise Invalid(f"there is no os {order.os!r}", [Problem("/os", "unknown here", "GET /v1/os lists them")])
        return order, entry

    def _build(self, order: Image, entry: OsEntry) -> JsonDict:
        try:
            made = self._make(entry, order)
        except Invalid:
            ORDERS.labels("refused").inc()
            raise
        except ImageFailed as error:
            ORDERS.labels("failed").inc()
            raise Conflict(error.detail, error.problems) from error
        with self._database.write() as session:
            session.execute(update(Image).where(Image.id == order.id).values(**made, built_at=time.time()))
        ORDERS.labels("done").inc()
        return made

    def _make(self, entry: OsEntry, order: Image) -> JsonDict:
        spec = load(VmSpec, order.spec)
        secrets = load(Secrets, json.loads(self._keys.unseal(order.secrets))) if order.secrets else Secrets()
        if not entry.answers_on_disc:
            wanted = Wanted(order.id, order.project_id, entry, spec, secrets)
            made = self._installations.write(wanted, partial(self._tell, order.id))
            return {"file": WHOLE, "size": made.master.layout.size, "sha256": ""}
        content = iso_image(seed_files(entry, order.id, spec, secrets), entry.label)
        write_whole(self._places.image(order.id) / SEED, content)
        return {"file": SEED, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def _tell(self, image_id: str, percent: float | None, text: str) -> None:
        self._told[image_id] = text if percent is None else f"{text} ({percent:.0f}%)"
