# SPDX-License-Identifier: Apache-2.0
"""Ids of a project's events: each says all that a reader who has seen it has seen.

`TIME/SOURCE~TURN~BEFORE~BACK.BACK/SEQ`: the event's own place, and of store.turns.Seen the rest: `before`, and how far
below it each turn lies that was not over. Ids of earlier releases have no more than `TIME/SOURCE/SEQ`; those releases
read ours as theirs, since to them a source is any word.
"""

import math

from services.common.store.turns import Place, Seen

OfTime = tuple[float, str, int]
DIGITS, UNDER_WAY = 18, 2000  # more is none of ours


def id_of(place: Place, seen: Seen) -> str:
    """The id of the event there, with what has been seen after it."""
    back = ".".join(str(seen.before - turn) for turn in sorted(seen.but, reverse=True))
    return f"{place.at!r}/{place.source}~{place.turn}~{seen.before}~{back}/{place.seq}"


def read_id(text: str) -> tuple[OfTime, Seen | None]:
    """Its place in time, and what has been seen, if it says so; raises ValueError for what is no id."""
    time, source, seq = text.split("/")
    at, source, *numbers = float(time), *source.split("~")
    if not math.isfinite(at) or len(numbers) not in (0, 3):
        raise ValueError("no time, or not as many numbers as an id has")
    place = (at, source, _number(seq, 9))
    if not numbers:
        return place, None
    turn, before = _number(numbers[0]), _number(numbers[1])
    back = [_number(one) for one in numbers[2].split(".", UNDER_WAY)] if numbers[2] else []
    return place, Seen(before, frozenset(before - one for one in back), Place(turn, *place))


def _number(text: str, digits: int = DIGITS) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= digits):
        raise ValueError("no number")
    return int(text)
