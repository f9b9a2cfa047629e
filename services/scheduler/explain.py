# SPDX-License-Identifier: Apache-2.0
"""Answers "where would this vm go, and why?" without claiming anything.

A question is dump(Request) plus, each optional: "why_not" (a host's id or name), "policy" (a name; the active one
otherwise) and "mask" (true: hosts are called by their masks). The answer is dump(Decision).
With why_not that host is in the answer whatever its rank: first among the misses where it is refused, else among
the candidates.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.common.contracts.codec import dump, load
from services.common.contracts.errors import Invalid, NotFound, Problem
from services.common.contracts.masking import masked_decision
from services.common.contracts.placement import Decision, HostView, Request
from services.scheduler.choose import judge, miss, scales_of, score
from services.scheduler.inventory import Inventory
from services.scheduler.lookout import Lookout
from services.scheduler.policy import Policy
from services.scheduler.policy_file import Shelf

TOPIC = "explain"
JsonDict = dict[str, Any]


class Explainer:
    """Looks at the hosts afresh for every question."""

    def __init__(self, lookout: Lookout, shelf: Shelf):
        self._lookout = lookout
        self._shelf = shelf

    def answer(self, payload: JsonDict) -> JsonDict:
        """The decision as plain values; raises Invalid for a bad question, NotFound for an unknown host."""
        asked = dict(payload)
        why_not, name, mask = asked.pop("why_not", None), asked.pop("policy", None), asked.pop("mask", False)
        try:
            request = load(Request, asked)
        except ValueError as error:
            problem = Problem("/", str(error), "send a Request as services.common.contracts.placement has it")
            raise Invalid("the question can't be read", [problem]) from error
        policy = self._shelf.chosen(request, name or "")
        with self._lookout.now() as sight:
            decision = sight.explained(request, policy)
            inventory = sight.inventory() if why_not else None
        if inventory is not None:
            decision = with_host(decision, _host(inventory, why_not), inventory.hosts, policy)
        plain: JsonDict = dump(decision)
        return masked_decision(plain) if mask else plain


def with_host(decision: Decision, host: HostView, hosts: Sequence[HostView], policy: Policy) -> Decision:
    """The decision with what it says of this host, which its short lists may have left out; `hosts` are all."""
    request = decision.request
    policy = policy.among(request, hosts)
    verdict = judge(request, host, policy)
    if verdict.refusals:
        others = (m for m in decision.misses if m.host != host.id)
        return replace(decision, misses=(miss(verdict), *others))
    if any(c.host == host.id for c in decision.candidates):
        return decision
    candidates = [h for h in hosts if not judge(request, h, policy).refusals]
    scored = score(request, host, policy, scales_of(request, candidates, policy))
    return replace(decision, candidates=(*decision.candidates, scored))


def _host(inventory: Inventory, id_or_name: str) -> HostView:
    host = inventory.host(id_or_name)
    if host is None:
        raise NotFound(f"there is no host {id_or_name!r}", [Problem("/why_not", "no such host", "name a known host")])
    return host
