# SPDX-License-Identifier: Apache-2.0
"""Who follows the price of energy goes where it is cheap at that hour, by the table as by the plain reference."""

import pytest

from services.common.store.database import Database
from services.scheduler.choose import choose
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.inventory import load_inventory
from tests.support.inn import Inn
from tests.support.placing import a_request, plain_policy

MIDNIGHT = 1_800_000_000 // 86400 * 86400  # of a day in UTC
DAY = {"time_zone": "UTC", "prices": [0.1] * 12 + [0.5] * 12}
NIGHT = {"time_zone": "UTC", "prices": [0.5] * 12 + [0.1] * 12}


@pytest.mark.parametrize(("hour", "chosen"), [(0, "id-day"), (11, "id-day"), (12, "id-night"), (23, "id-night")])
def test_the_hour_decides(database: Database, hour: int, chosen: str) -> None:
    now = MIDNIGHT + hour * 3600.0
    inn = Inn(database)
    inn.add_host("day", tariff=DAY, heartbeat_at=now)
    inn.add_host("night", tariff=NIGHT, price_kwh=0.01, heartbeat_at=now)
    inn.add_host("fixed", price_kwh=0.3, heartbeat_at=now)
    policy = plain_policy("cost")
    with database.read() as session:
        hosts = load_inventory(session, now).hosts
    decision = choose(a_request(), hosts, policy, 0)
    assert decision.host == chosen
    table = HostTable(hosts, now)
    engine = Engine(policy, table)
    assert engine.decide(a_request()).host == chosen
    assert engine.explain(a_request()).candidates == decision.candidates
