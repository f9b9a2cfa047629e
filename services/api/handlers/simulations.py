# SPDX-License-Identifier: Apache-2.0
"""Asks the scheduler what a policy would have done, and what still fits; nothing is claimed or stored."""

from typing import Any

from flask import Response

from services.api.asking import answer_to
from services.api.call import Answer, Call
from services.common.contracts.errors import Invalid, Problem

JsonDict = dict[str, Any]
SIMULATE, WHAT_FITS = "simulate", "what-fits"
WORK_S = 60.0  # it gives up after 50
SVG = "image/svg+xml"
_WISHES = ("hypervisor", "zone", "traits", "labels", "os")


def simulate(call: Call) -> Answer | Response:
    """What was recorded, or a trace, under a policy beside the one in force; as a picture for who accepts only that."""
    if bool(call.body["text"]) == bool(call.body["policy"]):
        detail = "give the text of a policy or the name of a stored one, and only one of them"
        raise Invalid(detail, [Problem("/text", detail, 'send "text" or "policy"')])
    drawn = call.headers.get("Accept", "").strip().startswith(SVG)
    found = answer_to(call.parts, SIMULATE, {**call.body, "picture": drawn or call.body["picture"]}, WORK_S)
    return Response(found["picture"], content_type=SVG) if drawn else Answer(found)


def what_fits(call: Call) -> Answer:
    """How many more vms of each flavor the hosts take now, if only that one comes."""
    body = call.body
    if body["text"] and body["policy"]:
        detail = "give the text of a policy or the name of a stored one, not both"
        raise Invalid(detail, [Problem("/text", detail, "leave one of them out; without both the one in force counts")])
    wishes = {name: body[name] for name in _WISHES} | {"needs": _needs(call)}
    question = {"text": body["text"], "policy": body["policy"], "wishes": wishes}
    return Answer(answer_to(call.parts, WHAT_FITS, question, WORK_S))


def _needs(call: Call) -> list[str]:
    name = call.body["os"]
    if not name:
        return []
    system = call.parts.systems.get(name)
    if system is None:
        raise Invalid(f"there is no os {name!r}", [Problem("/os", f"{name!r} is unknown", "GET /v1/os lists them")])
    return list(system.needs)
