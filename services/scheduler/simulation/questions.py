# SPDX-License-Identifier: Apache-2.0
"""Answers "what would this policy have done?" and "what still fits?"; neither changes anything.

Both questions name a policy: {"text": YAML} or {"policy": a name, "name@version" or a sha256; "" is the one in force}.
The first also has {"trace": lines of JSON or "" for what is recorded, "days", "decisions", "picture"}; the policy is
compared with the one in force. The second has {"wishes": fields of a Request}, and counts every flavor there is.
What is read here is little; the work is done in a process of its own.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.codec import load
from services.common.contracts.errors import Invalid, Problem, TryAgain
from services.common.contracts.placement import Request
from services.common.store.catalogue import Flavor
from services.common.store.database import Database
from services.scheduler.inventory import load_inventory
from services.scheduler.policy import DAY_S, Policy
from services.scheduler.policy_file import Shelf, shipped_text
from services.scheduler.policy_texts import text_of_hash, texts_of
from services.scheduler.simulation.apart import Apart
from services.scheduler.simulation.errand import Count, Errand, Trial, Written, written
from services.scheduler.simulation.history import Span, emptied, recorded
from services.scheduler.simulation.limits import MOST, check_size

SIMULATE, WHAT_FITS = "simulate", "what-fits"
JsonDict = dict[str, Any]
Sizes = dict[str, tuple[int, int, int]]  # by the flavor's name
_HASH = re.compile(r"^[0-9a-f]{12,64}$")


class PolicyTexts:
    """The policies that questions name, as they can be sent to another process."""

    def __init__(self, database: Database, shelf: Shelf):
        self._database, self._shelf = database, shelf
        self._find = texts_of(database)

    def asked(self, payload: JsonDict) -> tuple[Written, Policy]:
        """The policy of a question; raises Invalid with everything that is wrong in its text."""
        if not payload.get("text"):
            return self.named(str(payload.get("policy") or ""))
        try:
            return written(str(payload["text"]), self._find)
        except Invalid as error:
            problems = [Problem("/text", f"{p.pointer}: {p.detail}", p.fix) for p in error.problems]
            raise Invalid(error.detail, problems) from error

    def named(self, name: str) -> tuple[Written, Policy]:
        """The policy of that name or hash, or the one in force."""
        text = text_of_hash(self._database, name) if _HASH.match(name) else None
        if text is None:
            policy = self._shelf.get(name)
            text = text_of_hash(self._database, policy.sha256) or shipped_text(policy.name, policy.version)
        if text is None:
            raise TryAgain(f"the text of {policy.name!r} version {policy.version} is not stored yet; try again")
        return written(text, self._find)


class Simulator:
    """Answers what a policy would have done. Reads hosts and decisions afresh for every question."""

    def __init__(self, database: Database, shelf: Shelf, apart: Apart, clock: Callable[[], float] = time.time):
        self._database, self._apart, self._clock = database, apart, clock
        self._texts = PolicyTexts(database, shelf)

    def answer(self, payload: JsonDict) -> JsonDict:
        """Plain values; raises Invalid for a bad policy or trace, and for what takes too long."""
        begun = time.monotonic()
        now, _ = self._texts.named("")
        asked, policy = self._texts.asked(payload)
        trial, sizes = self._trial((now, asked), payload)
        found = self._apart.run(Errand(trial=trial))
        for size in (size for outcome in found["outcomes"] for size in outcome["sizes"]):
            same = (size["vcpus"], size["memory_mib"], size["disk_gib"])
            size["flavor"] = next((name for name, amounts in sizes.items() if amounts == same), "")
        return {**found, "policy_sha": policy.sha256, **_times(begun, self._apart)}

    def _trial(self, policies: tuple[Written, ...], payload: JsonDict) -> tuple[Trial, Sizes]:
        lines, picture = str(payload.get("trace") or ""), bool(payload.get("picture"))
        with self._database.read() as session:
            sizes = _sizes(session)
            if lines:
                return Trial(policies, lines=lines, picture=picture), sizes
            now = self._clock()
            hosts = load_inventory(session, now).hosts
            check_size(0, len(hosts))
            span = Span(now - float(payload["days"]) * DAY_S, now, min(MOST, int(payload["decisions"])))
            arrivals, until = recorded(session, span, {host.id for host in hosts})
        return Trial(policies, emptied(hosts), arrivals, until, picture=picture), sizes


class RoomCounter:
    """Answers what still fits, by flavor."""

    def __init__(self, database: Database, shelf: Shelf, apart: Apart, clock: Callable[[], float] = time.time):
        self._database, self._apart, self._clock = database, apart, clock
        self._texts = PolicyTexts(database, shelf)

    def answer(self, payload: JsonDict) -> JsonDict:
        """Plain values; raises Invalid for a bad policy."""
        begun = time.monotonic()
        asked, policy = self._texts.asked(payload)
        wishes = payload.get("wishes") or {}
        with self._database.read() as session:
            hosts, sizes = load_inventory(session, self._clock()).hosts, _sizes(session)
        flavors = {name: _request(name, amounts, wishes) for name, amounts in sizes.items()}
        found = self._apart.run(Errand(count=Count(asked, hosts, flavors, seconds=self._apart.seconds / 2)))
        return {
            "policy": f"{policy.name}@{policy.version}",
            "policy_sha": policy.sha256,
            "hosts": len(hosts),
            "flavors": [{**fits, **_amounts(flavors[fits["flavor"]])} for fits in found["flavors"]],
            **_times(begun, self._apart),
        }


def _request(name: str, amounts: Sequence[int], wishes: JsonDict) -> Request:
    try:
        return load(Request, {**_named(amounts), **wishes, "id": name})
    except ValueError as error:
        problem = Problem("/wishes", str(error), "send fields of a Request")
        raise Invalid("the question can't be read", [problem]) from error


def _named(amounts: Sequence[int]) -> JsonDict:
    return dict(zip(("vcpus", "memory_mib", "disk_gib"), amounts, strict=True))


def _amounts(request: Request) -> JsonDict:
    return _named((request.vcpus, request.memory_mib, request.disk_gib))


def _sizes(session: Session) -> Sizes:
    rows = session.scalars(select(Flavor).order_by(Flavor.vcpus, Flavor.memory_mib, Flavor.name))
    return {row.name: (row.vcpus, row.memory_mib, row.disk_gib) for row in rows}


def _times(begun: float, apart: Apart) -> JsonDict:
    return {"took_s": round(time.monotonic() - begun, 3), "limit_s": apart.seconds}
