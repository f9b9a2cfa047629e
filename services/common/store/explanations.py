# SPDX-License-Identifier: Apache-2.0
"""How an explanation is kept: what a batch writes as rows of whole numbers is told in full when it is read.

A page of names and fractions for every vm costs the database more than its claim; few explanations are ever read.
"""

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator

from services.common.store.base import Json, JsonDict


class Explanation(TypeDecorator[JsonDict]):
    """A Decision as dump() makes it, whether it was kept like that or in short."""

    impl = Json
    cache_ok = True

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self.impl_instance.coerce_compared_value(op, value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return in_full(value)


def in_full(kept: Any) -> Any:
    """`candidates` and `filters` as lists of what they say, where they were kept in short."""
    if not isinstance(kept, dict):
        return kept
    told = dict(kept)
    if isinstance(kept.get("candidates"), dict):
        told["candidates"] = _candidates(kept["candidates"])
    if isinstance(kept.get("filters"), dict):
        told["filters"] = _filters(kept["filters"])
    return told


def _candidates(short: JsonDict) -> list[JsonDict]:
    """`hosts`: the id, then each term as a count of `grain`ths."""
    found = []
    for host, *grains in short["hosts"]:
        terms = {name: count / short["grain"] for name, count in zip(short["terms"], grains, strict=True)}
        found.append({"host": host, "score": sum(terms.values()), "terms": terms})
    return found


def _filters(short: JsonDict) -> list[JsonDict]:
    """`tested` by the first of them; those it didn't reject are tested by the next."""
    left, found = short["tested"], []
    for name, first, alone in zip(short["names"], short["first"], short["alone"], strict=True):
        found.append({"filter": name, "tested": left, "rejected_first": first, "rejected_alone": alone})
        left -= first
    return found
