# SPDX-License-Identifier: Apache-2.0
"""Images nobody needs any more: of vms that are gone, and ordered ones whose time is up.

A worker that was slow, or died, may write one after its vm or its order was given up.
"""

import shutil
import time
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from services.common.contracts.states import VmState
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.images import Image
from services.common.store.vms import Vm
from services.imagebuilder.places import Places

log = get_logger(__name__)
_GONE = (VmState.DELETED, VmState.FAILED)


def collect(database: Database, places: Places, grace_s: float, now: float) -> list[str]:
    """Remove images older than the grace period that no vm and no order has a use for; their ids.

    Orders whose time is up are forgotten, with their secrets.
    """
    with database.write() as session:
        session.execute(delete(Image).where(Image.expires_at <= now))
    folder = places.image("")
    old = [p.name for p in folder.iterdir() if now - p.stat().st_mtime > grace_s] if folder.is_dir() else []
    if not old:
        return []
    with database.read() as session:
        alive = set(session.scalars(select(Vm.id).where(Vm.id.in_(old), Vm.state.not_in(_GONE))))
        ordered = set(session.scalars(select(Image.id).where(Image.id.in_(old))))
    gone = sorted(set(old) - alive - ordered)
    for image_id in gone:
        shutil.rmtree(places.image(image_id), ignore_errors=True)
    return gone


@dataclass(frozen=True)
class Leftovers:
    """What collects them here."""

    database: Database
    places: Places
    grace_s: float

    def round(self) -> None:
        """One look at all images; a database or a disk in the way is for the next one."""
        try:
            gone = collect(self.database, self.places, self.grace_s, time.time())
        except (OperationalError, OSError) as error:
            log.warning("leftover images were not collected", reason=str(error))
            return
        if gone:
            log.info("leftover images collected", images=gone)
