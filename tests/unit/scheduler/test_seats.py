# SPDX-License-Identifier: Apache-2.0
"""What is kept of a choice in short says the same as the choice itself."""

import json

from services.common.contracts.codec import dump
from services.common.contracts.journal import JobView
from services.common.contracts.placement import HostView, Request
from services.common.contracts.states import JobState
from services.common.store.explanations import in_full
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.policy_file import Shelf
from services.scheduler.seats import Seat, explanation

JOB = JobView("j", "vm.create", "p", JobState.RUNNING, "place", 0, 1)
HOSTS = [HostView(f"h{n}", f"n{n}", "fake", "up", "", (), 8, 8192, 100, heartbeat_age_s=1.0) for n in range(9)]


def test_a_short_explanation_is_told_in_full() -> None:
    engine = Engine(Shelf().active, HostTable([*HOSTS, HostView("d", "d", "fake", "down", "", (), 8, 8192, 100)]))
    request = Request("vm", 2, 1024, 10, traits=(), labels={"app": "x"})
    whole = engine.explain(request)
    compact = engine.decide(request)
    kept = explanation(Seat(JOB, engine.policy, compact, engine.table.view(compact.row)))
    told = in_full(json.loads(json.dumps(kept)))
    assert told == {**dump(whole), "misses": []}
    assert in_full(told) == told


def test_hosts_that_were_tried_before_are_no_candidates() -> None:
    engine = Engine(Shelf().active, HostTable(HOSTS))
    request = Request("vm", 2, 1024, 10)
    first = engine.decide(request)
    second = engine.decide(request, (first.host,))
    told = in_full(explanation(Seat(JOB, engine.policy, second, engine.table.view(second.row), (first.host,))))
    assert [c["host"] for c in told["candidates"]] == [c.host for c in first.candidates[1:]] + [
        told["candidates"][-1]["host"]
    ]
    assert told["host"] == told["candidates"][0]["host"] == first.candidates[1].host
