# SPDX-License-Identifier: Apache-2.0
"""A plan's moves are handed out once, by the transaction that counts them; a dry run takes none."""

from typing import Any

from services.common.contracts.ids import new_id
from services.common.runtime.ask import Answerer
from services.common.store.models import TakenMove
from services.scheduler.consolidating import TOPIC
from tests.support.front_door import Api

PATH = "/v1/hosts:take-moves"


def a_plan(moves: int, per_hour: int = 2) -> dict[str, Any]:
    planned = [{"vm": new_id(), "vm_name": "web", "target": new_id(), "target_name": "b"} for _ in range(moves)]
    emptied = [{"host": new_id(), "host_name": "a", "watts_saved": 9.0, "moves": planned}]
    budget = {"per_hour": per_hour, "taken": 0, "left": per_hour}
    return {"emptied": emptied, "kept": [], "budget": budget, "moves": moves, "policy": "p", "policy_sha": "s"}


def test_moves_are_taken_once_and_no_more_than_the_hour_has(api: Api) -> None:
    plans = [a_plan(2), a_plan(2), a_plan(1)]
    answerer = Answerer(api.settings.redis_url, TOPIC, lambda _asked: plans.pop(0)).start()
    try:
        dry = api.ask("admin", "POST", f"{PATH}?dry_run=true", {"moves": 5})
        taken = api.ask("admin", "POST", PATH, {"moves": 5})
        refused = api.ask("admin", "POST", PATH, {"moves": 5})
    finally:
        answerer.stop()
    assert (dry.status_code, taken.status_code, refused.status_code) == (200, 200, 409), taken.text + refused.text
    assert taken.json["budget"] == {"per_hour": 2, "taken": 2, "left": 0}
    assert "0 of 2 moves are left" in refused.json["detail"]
    with api.database.read() as db:
        assert db.query(TakenMove).count() == 2
