# SPDX-License-Identifier: Apache-2.0
"""What a kWh costs at a moment is what the clocks of the tariff's zone say, summer and winter."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.common.contracts.tariff import price_at

HOURS = [float(n) for n in range(24)]


def moment(text: str, zone: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("zone", "at", "hour"),
    [
        ("UTC", "2026-01-01T00:00:00", 0),
        ("UTC", "2026-01-01T23:59:59.999", 23),
        ("Asia/Kolkata", "2026-01-01T05:30:00", 5),  # half an hour off all full ones
        ("Europe/Berlin", "2026-03-29T01:59:59", 1),  # the hour after it is left out
        ("Europe/Berlin", "2026-03-29T03:00:00", 3),
    ],
)
def test_the_hour_is_the_one_that_clocks_there_show(zone: str, at: str, hour: int) -> None:
    assert price_at(9.9, {"time_zone": zone, "prices": HOURS}, moment(at, zone)) == hour


def test_the_hour_that_comes_twice_costs_the_same_twice_and_spring_skips_one() -> None:
    tariff = {"time_zone": "Europe/Berlin", "prices": HOURS}
    first, second = (moment("2026-10-25T02:30:00", "Europe/Berlin", fold) for fold in (0, 1))
    assert second - first == 3600
    assert price_at(None, tariff, first) == price_at(None, tariff, second) == 2
    assert price_at(None, tariff, moment("2026-03-29T01:59:59", "Europe/Berlin") + 1) == 3


def test_without_a_tariff_or_its_zone_the_fixed_price_holds() -> None:
    assert price_at(0.3, {}, 0.0) == price_at(0.3, None, 0.0) == 0.3
    assert price_at(None, {}, 0.0) is None
    assert price_at(0.3, {"time_zone": "Mars/North", "prices": HOURS}, 0.0) == 0.3
