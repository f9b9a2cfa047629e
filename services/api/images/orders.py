# SPDX-License-Identifier: Apache-2.0
"""An order for an image: a row with its sealed secrets; whoever builds it is asked by the row's id alone."""

import json
import time
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from services.api.asking import answer_to
from services.api.call import Call
from services.api.intents.guest_reports import image_secrets
from services.api.parts import Parts
from services.common.contracts.codec import dump
from services.common.contracts.errors import Problem, QuotaExceeded, TryAgain
from services.common.contracts.ids import new_id
from services.common.contracts.vm import Secrets, VmSpec
from services.common.runtime.log import get_logger
from services.common.store.models import Image, Project

log = get_logger(__name__)
TOPIC = "image"
QUOTA = "images"
MOST = 100  # of a project without that quota
KEEP_S = 24 * 3600.0
# A master that is not there yet takes minutes; whoever waits no longer finds it made the next time.
PATIENCE_S = 600.0
_PAUSE_S = 0.5


@dataclass(frozen=True)
class Built:
    """What the image builder has made."""

    file: str
    size: int
    sha256: str


def order(call: Call, db: Session, spec: VmSpec, secrets: Secrets, image_id: str = "") -> Image:
    """Write the order; the project's oldest images make room for it. Raises QuotaExceeded where none is allowed."""
    _make_room(call, db)
    secrets = image_secrets(call, spec.os, secrets)
    row = Image(
        id=image_id or new_id(),
        project_id=call.project.id,
        name=spec.name,
        os=spec.os,
        spec=dump(spec),
        secrets=call.parts.keys.seal(json.dumps(dump(secrets))) if secrets != Secrets() else "",
        file="",
        size=None,
        sha256="",
        built_at=None,
        created_by=call.who.id,
        created_at=call.now,
        expires_at=call.now + KEEP_S,
    )
    db.add(row)
    db.flush()
    return row


def _make_room(call: Call, db: Session) -> None:
    most = call.project.quotas.get(QUOTA, MOST)
    if most < 1:
        detail = f"quota {QUOTA}: this project may keep none"
        raise QuotaExceeded(detail, [Problem("", detail, "ask an admin for more")])
    # Two orders at the same moment must not both take the last place.
    db.execute(select(Project.id).where(Project.id == call.project.id).with_for_update())
    kept = select(Image.id).where(Image.project_id == call.project.id, Image.expires_at > call.now)
    oldest = db.scalars(kept.order_by(Image.id.desc()).offset(most - 1)).all()
    if oldest:
        db.execute(update(Image).where(Image.id.in_(oldest)).values(expires_at=call.now))


def built(parts: Parts, image_id: str, patience_s: float = PATIENCE_S) -> Built:
    """What came of an order, waiting for it; asking again is harmless.

    Raises what the image builder refuses it with, and TryAgain where it is away or takes longer than that.
    """
    end = time.monotonic() + patience_s
    while True:
        found = answer_to(parts, TOPIC, {"id": image_id})
        if "making" not in found:
            return Built(found["file"], found["size"], found["sha256"])
        if time.monotonic() > end:
            raise TryAgain(f"what this image is made from is being made first: {found['making']}; try again")
        time.sleep(_PAUSE_S)


def take_back(parts: Parts, image_id: str) -> None:
    """Forget an order and its secrets; the image builder removes the file."""
    with parts.database.write() as db:
        db.execute(delete(Image).where(Image.id == image_id))
