# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: what would be written for one, and ones that are built, kept for a day and downloaded."""

from dataclasses import replace
from typing import Any

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api import etags, idempotency
from services.api.call import Answer, Call
from services.api.handlers.answer_files import answer_files
from services.api.images.bootable import imported, obstacles
from services.api.images.content import MEDIA_TYPE, Asked, opened, response
from services.api.images.orders import built, order, take_back
from services.api.intents.create_vm import hashed
from services.api.intents.pointers import as_asked
from services.api.intents.resolve import resolve
from services.api.intents.world import world_for
from services.api.metrics import REPLAYS
from services.api.paging import Order, chosen, listed
from services.api.views.images import content_path, downloadable, image_view
from services.common.catalog import OsEntry
from services.common.contracts.errors import Forbidden, InnkeeperError, Invalid, NotFound
from services.common.contracts.ids import new_id
from services.common.contracts.vm import Secrets, VmSpec
from services.common.runtime.signing import BadSignature, verify_url_token
from services.common.store.models import Image

JsonDict = dict[str, Any]
ORDER = Order(Image.id, {"name": Image.name, "created_at": Image.id})


def preview(call: Call) -> Answer:
    """The files a guest of this description would be set up by; secrets are masked."""
    image_id = new_id()
    spec = _spec(call, image_id, ordered=False)
    return Answer({"os": spec.os, "files": answer_files(call, image_id, spec)})


def build(call: Call) -> Answer | Response:
    """Build one image without a vm: a seed CD, or the installation medium of a system that has an installer."""
    image_id = new_id()
    spec = _spec(call, image_id, ordered=True)
    if call.dry_run:
        return Answer({"os": spec.os, "files": answer_files(call, image_id, spec), "dry_run": True})
    row, replayed = _ordered(call, image_id, spec, Secrets(hashed(call), call.body["first_boot"]))
    streams = call.query["stream"] or MEDIA_TYPE in call.headers.get("Accept", "")
    try:
        made = built(call.parts, row.id)
        answer = opened(call.parts, Asked(row.id, made.file)) if streams else None
    except InnkeeperError as error:
        _nothing_remains(call, row.id)
        raise type(error)(error.detail, as_asked(error.problems, call.body), error.extra) from error
    if answer is not None:
        return response(answer, _named(row), lambda: _nothing_remains(call, row.id))
    headers = {"Location": f"/v1/images/{row.id}", **({"Idempotency-Replayed": "true"} if replayed else {})}
    with call.parts.database.read() as db:
        return Answer(downloadable(call.parts, _alive(call, db, row.id), call.now), 201, headers)


def listing(call: Call, db: Session) -> JsonDict:
    """The project's images that can be downloaded."""
    statement = select(Image).where(Image.project_id == call.project.id, Image.expires_at > call.now)
    return listed(db, call, statement, ORDER, lambda rows: [image_view(row) for row in rows])


def get(call: Call, db: Session) -> JsonDict:
    """One image, with a URL to download it."""
    return chosen(downloadable(call.parts, _found(call, db), call.now), call.query.get("fields"))


def drop(call: Call, db: Session) -> Answer:
    """Remove an image before its time, and the secrets it was ordered with."""
    row = _found(call, db)
    etags.check(call.headers.get("If-Match", ""), image_view(row)["etag"], required=False)
    db.delete(row)
    return Answer(None, 204)


def content(call: Call) -> Response:
    """The bytes of an image, whole or a range of them, to whoever has its signed URL."""
    image_id = call.path["image_id"]
    try:
        verify_url_token(content_path(image_id), call.query["t"], call.parts.keys.command_public_pem)
    except BadSignature as error:
        raise Forbidden(f"this URL needs a token that is still good; GET the image for one ({error})") from error
    with call.parts.database.read() as db:
        row = _alive(call, db, image_id)
    tag = f'"{row.id}.{row.size}"'
    ranged = "Range" in call.headers and call.headers.get("If-Range", tag) == tag
    file = row.file or built(call.parts, row.id).file
    asked = Asked(row.id, file, request.method, {"Range": call.headers["Range"]} if ranged else {})
    return response(opened(call.parts, asked), {**_named(row), "ETag": tag})


def _spec(call: Call, image_id: str, ordered: bool) -> VmSpec:
    with call.parts.database.read() as db:
        world = world_for(call, db, call.body)
        media = imported(db, call.project.id) if ordered else frozenset()
    spec, problems = resolve(image_id, call.body, world, for_image=True)
    entry = world.systems.get(call.body["os"])
    if ordered and entry is not None:
        problems = [*obstacles(entry, media), *problems]
    if spec is None or entry is None or problems:
        raise Invalid("the image can't be made as asked", problems)
    return _for_any_card(spec, entry, call.body) if ordered else spec


def _for_any_card(spec: VmSpec, entry: OsEntry, asked: JsonDict) -> VmSpec:
    """A MAC made up here is no machine's: where the system can do without, its only card is meant."""
    links = asked.get("networks", [{}])
    if len(spec.nics) != 1 or spec.bonds or spec.vlans or "mac" in links[0] or not entry.any_card:
        return spec
    return replace(spec, nics=(replace(spec.nics[0], mac=""),))


def _ordered(call: Call, image_id: str, spec: VmSpec, secrets: Secrets) -> tuple[Image, bool]:
    """The order, written now or, where this request came before, then; and which of the two it was."""
    with call.parts.database.write() as db:
        kept = idempotency.recall(db, call) if call.key else None
        if kept is not None:
            row = db.get(Image, kept.body["id"])
            if row is None:
                raise NotFound("the image of this Idempotency-Key is gone; send a new key for another one")
            REPLAYS.inc()
            return row, True
        row = order(call, db, spec, secrets, image_id)
        if call.key:
            idempotency.remember(db, call, Answer({"id": row.id}, 201))
        return row, False


def _nothing_remains(call: Call, image_id: str) -> None:
    """Of an order that was refused, or whose bytes were handed out at once."""
    take_back(call.parts, image_id)
    if call.key:
        with call.parts.database.write() as db:
            idempotency.forget(db, call)


def _named(row: Image) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{row.name}.iso"'}


def _alive(call: Call, db: Session, image_id: str) -> Image:
    row = db.scalars(select(Image).where(Image.id == image_id, Image.expires_at > call.now)).first()
    if row is None:
        raise NotFound(f"there is no image {image_id} any more")
    return row


def _found(call: Call, db: Session) -> Image:
    mine = (Image.id == call.path["image_id"], Image.project_id == call.project.id, Image.expires_at > call.now)
    row = db.scalars(select(Image).where(*mine)).first()
    if row is None:
        raise NotFound(f"there is no image {call.path['image_id']} in project {call.project.name!r}")
    return row
