# SPDX-License-Identifier: Apache-2.0
"""What a host's energy costs at a moment: one price, or one for each hour of the day in a time zone. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOURS = 24


def price_at(fixed: float | None, tariff: Mapping[str, Any] | None, now: float) -> float | None:
    """The price of a kWh at `now` (epoch seconds): of the tariff's hour, where there is a tariff, else the fixed one.

    `tariff` is {"time_zone", "prices": HOURS numbers, the first from midnight}. The hour is the one that clocks there
    show, daylight saving included. In a zone that this machine has no data of the fixed price holds.
    """
    if not tariff:
        return fixed
    zone = _zone(str(tariff["time_zone"]))
    if zone is None:
        return fixed
    hour = datetime.fromtimestamp(now, UTC).astimezone(zone).hour
    return float(tariff["prices"][hour])


@lru_cache(64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return None
