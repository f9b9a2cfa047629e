# SPDX-License-Identifier: Apache-2.0
"""Answers "is this text a policy?" and "could this version come into force?", which the API asks first."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from services.common.contracts.errors import Invalid, Problem
from services.common.store.database import Database
from services.common.store.projects import Project
from services.scheduler.inventory import load_inventory
from services.scheduler.policy import Policy
from services.scheduler.policy_advice import advice
from services.scheduler.policy_file import read_policy
from services.scheduler.policy_reach import unreached
from services.scheduler.policy_shelf import PolicyShelf
from services.scheduler.policy_text import line_of
from services.scheduler.policy_texts import texts_of

TOPIC = "policy"
JsonDict = dict[str, Any]


class PolicyQuestions:
    """A question is {"text"} or {"stand": the id of a stored version}."""

    def __init__(self, database: Database, shelf: PolicyShelf, clock: Callable[[], float] = time.time):
        self._database = database
        self._clock = clock
        self._find = texts_of(database)
        self._shelf = shelf

    def answer(self, payload: JsonDict) -> JsonDict:
        """What was read in the text, or {} for a version; raises Invalid with everything that is wrong."""
        if "stand" in payload:
            self._shelf.would_stand(str(payload["stand"]))
            return {}
        text = payload.get("text")
        if not isinstance(text, str):
            raise Invalid("there is no text", [Problem("/text", "there is no text", "send the policy's YAML as text")])
        policy = read_policy(text, find=self._find)
        return {
            "name": policy.name,
            "version": policy.version,
            "sha256": policy.sha256,
            "matched": policy.match.given,
            "keep_s": policy.explain_keep_s,
            "warnings": self._doubts(policy, text),
        }

    def _doubts(self, policy: Policy, text: str) -> list[str]:
        with self._database.read() as session:
            hosts = load_inventory(session, self._clock()).hosts
            projects = list(session.scalars(select(Project.name)))
        found = unreached(policy, self._shelf.standing.beside, projects, hosts)
        lines = [(line_of(text, doubt.at), doubt.sentence) for doubt in found]
        told = [f"line {line}: {sentence}" if line else sentence for line, sentence in lines]
        return [*told, *advice(policy, hosts)]
