# SPDX-License-Identifier: Apache-2.0
"""The calls of this API, as one table. None is ever answered with 202: whoever asks waits for the image."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from services.api.access import Role, demand
from services.api.call import Call
from services.api.images.bootable import imported
from services.api.images.content import Asked, opened, response
from services.api.images.orders import built, order, take_back
from services.api.parts import Parts
from services.api.passwords import guest_hash
from services.api.uii.door import admitted
from services.api.uii.offers import Offer, chosen, offers
from services.api.uii.reading import ASKS_FOR_PACKAGES, Fields, body_of, refuse
from services.api.uii.refusing import PREFIX
from services.api.uii.wishes import wish
from services.common.contracts.errors import InnkeeperError
from services.common.contracts.vm import Secrets, VmSpec

View = Callable[[Parts], Response]


def oslist(parts: Parts) -> Response:
    """Every system whose image can be built now and boots by itself."""
    call = admitted(parts, Role.VIEWER)
    return jsonify({"_embedded": [offer.shown() for offer in _offers(call)]})


def packages(parts: Parts) -> Response:
    """The packages of a system that are known by name; a build takes any of its archive."""
    call = admitted(parts, Role.VIEWER)
    return _packages(call, body_of(request))


def images(parts: Parts) -> Response:
    """Build an image and answer with its bytes; a body that only names a system asks for its packages."""
    call = admitted(parts, Role.VIEWER)
    body = body_of(request)
    if set(body) <= ASKS_FOR_PACKAGES:
        return _packages(call, body)
    demand(call.who.rank_in(call.project), Role.MEMBER)
    spec, secrets, problems = wish(body, _chosen(call, body).entry, guest_hash)
    refuse(problems)
    return _built(call, spec, secrets)


ROUTES: Mapping[tuple[str, str], View] = {
    ("GET", "/oslist"): oslist,
    ("POST", "/packages"): packages,
    ("POST", "/images"): images,
}


def blueprint(parts: Parts) -> Blueprint:
    """The table, under its prefix."""
    found = Blueprint("uii", __name__, url_prefix=PREFIX)
    for (method, path), view in ROUTES.items():
        found.add_url_rule(path, view.__name__, _bound(view, parts), methods=[method], provide_automatic_options=False)
    return found


def _bound(view: View, parts: Parts) -> Callable[[], Response]:
    return lambda: view(parts)


def _packages(call: Call, body: Mapping[str, Any]) -> Response:
    offer = _chosen(call, body)
    return jsonify(
        {
            "_embedded": {
                "dist": offer.dist,
                "version": offer.version,
                "arch": offer.entry.arch,
                "packages": list(offer.entry.packages),
            }
        }
    )


def _chosen(call: Call, body: Mapping[str, Any]) -> Offer:
    given = Fields(body)
    asked = given.text("dist"), given.text("version"), given.text("arch")
    refuse(given.problems)
    offer, problems = chosen(_offers(call), *asked)
    refuse(problems)
    assert offer is not None  # else there is a problem
    return offer


def _offers(call: Call) -> list[Offer]:
    with call.parts.database.read() as db:
        media = imported(db, call.project.id)
    return offers(call.parts.systems.values(), media)


def _built(call: Call, spec: VmSpec, secrets: Secrets) -> Response:
    """The image's bytes; once they are handed out, or can't be, nothing remains of the order."""
    parts = call.parts
    with parts.database.write() as db:
        image_id = order(call, db, spec, secrets).id
    try:
        answer = opened(parts, Asked(image_id, built(parts, image_id).file))
    except InnkeeperError:
        take_back(parts, image_id)
        raise
    named = {"Content-Disposition": f'attachment; filename="{spec.name}.iso"'}
    return response(answer, named, lambda: take_back(parts, image_id))
