# SPDX-License-Identifier: Apache-2.0
"""Where in the request a problem of the network model lies: short forms of a request have other places in the model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.common.contracts.errors import Problem

JsonDict = Mapping[str, Any]
# Of a VLAN that is short for `vlan` of a card, these fields follow from that number.
_OF_THE_NUMBER = ("id", "name", "over")


def as_asked(problems: Sequence[Problem], asked: JsonDict) -> list[Problem]:
    """The same problems, each pointing at a field of this request."""
    places = dict(_places(asked))
    return [replace(problem, pointer=_moved(problem.pointer, places)) for problem in problems]


def tagged(asked: JsonDict) -> list[int]:
    """The cards whose addresses are behind a tag, in the order of their VLANs in the model; none of them in a bond."""
    return [n for n, link in enumerate(asked.get("networks", ())) if "vlan" in link and "bond" not in link]


def members(asked: JsonDict, bond: str) -> list[int]:
    """The cards of a bond, in the order of its members."""
    return [n for n, link in enumerate(asked.get("networks", ())) if link.get("bond") == bond]


def _places(asked: JsonDict) -> Iterator[tuple[str, str]]:
    """(pointer into the model, pointer into the request), wherever the two differ."""
    given = len(asked["vlans"])
    for n, card in enumerate(tagged(asked)):
        for field in _OF_THE_NUMBER:
            yield f"/vlans/{given + n}/{field}", f"/networks/{card}/vlan"
        yield f"/vlans/{given + n}", f"/networks/{card}"
    if not given and tagged(asked):
        yield "/vlans", f"/networks/{tagged(asked)[0]}/vlan"
    for n, bond in enumerate(asked["bonds"]):
        for m, card in enumerate(members(asked, bond["name"])):
            yield f"/bonds/{n}/members/{m}", f"/networks/{card}/bond"
        yield f"/bonds/{n}/members", f"/bonds/{n}/name"


def _moved(pointer: str, places: Mapping[str, str]) -> str:
    """By the longest beginning that has another place."""
    parts = pointer.split("/")
    for end in range(len(parts), 1, -1):
        place = places.get("/".join(parts[:end]))
        if place is not None:
            return "/".join([place, *parts[end:]])
    return pointer
